# SPDX-License-Identifier: Apache-2.0
"""Real drivers: ``spark-submit`` on this machine, its output as the pod's log, its end with its pod."""

import os
import signal
from pathlib import Path

import pytest

from airflow_priority_spark.embedded import spark_submit
from tests.cluster.applications import Kubernetes, eventually, spark_application

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.embedded_only("controllers with real drivers are another setting"),
    pytest.mark.java,
    pytest.mark.skipif(spark_submit.obstacle() is not None, reason=str(spark_submit.obstacle())),
]

WORD_COUNT = """
import os, sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
# Else what the JVM logs meanwhile may stand in the middle of a printed line.
spark.sparkContext.setLogLevel("ERROR")
words = spark.sparkContext.textFile(sys.argv[1]).flatMap(str.split).countByValue()
print("counted", sorted(words.items()), "as", os.environ["WHO"], "on", spark.sparkContext.master)
print("shuffle", spark.conf.get("spark.sql.shuffle.partitions"), "elsewhere", os.environ.get("AIRFLOW_HOME"))
spark.stop()
"""
SLEEP = "import os, sys, time\nprint('process', os.getpid(), flush=True)\ntime.sleep(600)\n"
EXIT = "import sys\nprint('going wrong')\nsys.exit(7)\n"
SECONDS = 60


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("programs")
    for name, text in (("word_count.py", WORD_COUNT), ("sleep.py", SLEEP), ("exit.py", EXIT)):
        (directory / name).write_text(text)
    (directory / "text").write_text("to be or not to be\n")
    return directory


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster, programs):
    return start_cluster(runtime="spark", app_root=programs)


def python_application(name, file, **spec):
    return spark_application(name, runtime=None, type="Python", mainApplicationFile=f"local://{file}", **spec)


def state_in_time(kubernetes, namespace, name, *states):
    eventually(lambda: kubernetes.state(namespace, name) in states, f"{name} in {states}", seconds=SECONDS)


def test_a_word_count_runs_for_real(kubernetes, namespace, programs):
    app = python_application("words", "/opt/spark/word_count.py", arguments=[str(programs / "text")])
    app["spec"]["driver"] |= {"cores": 2, "envVars": {"WHO": "me"}}
    app["spec"]["sparkConf"] = {
        "spark.sql.shuffle.partitions": "3",
        "spark.kubernetes.driver.pod.name": "words-d",
    }
    kubernetes.submit(namespace, app)

    eventually(lambda: kubernetes.state(namespace, "words") == "RUNNING", "the driver runs")
    followed = kubernetes.log(namespace, "words-d", follow=True)

    assert "counted [('be', 2), ('not', 1), ('or', 1), ('to', 2)] as me on local[2]" in followed
    assert "shuffle 3 elsewhere None" in followed
    state_in_time(kubernetes, namespace, "words", "COMPLETED", "FAILED")
    assert kubernetes.state(namespace, "words") == "COMPLETED"
    stamped = kubernetes.log(
        namespace, "words-d", tail_lines=1, timestamps=True, container="spark-kubernetes-driver"
    )
    assert len(stamped.splitlines()) == 1
    assert stamped[:2] == "20"
    assert stamped.split(" ")[0].endswith("Z")
    assert kubernetes.log(namespace, "words-d", since_seconds=3600) == followed


def test_the_exit_code_of_a_program_is_its_pods(kubernetes, namespace, programs):
    kubernetes.submit(namespace, python_application("wrong", programs / "exit.py"))

    state_in_time(kubernetes, namespace, "wrong", "COMPLETED", "FAILED")

    message = kubernetes.application(namespace, "wrong")["status"]["applicationState"]["errorMessage"]
    assert message == "driver container failed with ExitCode: 7, Reason: Error"
    assert "going wrong" in kubernetes.log(namespace, "wrong-driver")


def printed_pid(kubernetes, namespace, name):
    lines = (
        kubernetes.log(namespace, name).splitlines()
        if kubernetes.pods(namespace, "spark-role=executor")
        else []
    )
    return next((int(line.split()[1]) for line in lines if line.startswith("process ")), None)


def test_deleting_the_application_ends_its_processes(kubernetes, namespace, programs):
    kubernetes.submit(namespace, python_application("sleep", programs / "sleep.py"))
    eventually(
        lambda: printed_pid(kubernetes, namespace, "sleep-driver"), "the program runs", seconds=SECONDS
    )
    process = Path(f"/proc/{printed_pid(kubernetes, namespace, 'sleep-driver')}")
    assert process.exists()

    kubernetes.delete_application(namespace, "sleep")

    eventually(lambda: not kubernetes.pods(namespace), "no pods")
    eventually(lambda: not process.exists(), "no process")


def sleeping_process(cluster, programs):
    kubernetes = Kubernetes(cluster.kubeconfig)
    kubernetes.submit("team-a", python_application("sleep", programs / "sleep.py"))
    eventually(lambda: printed_pid(kubernetes, "team-a", "sleep-driver"), "the program runs", seconds=SECONDS)
    return Path(f"/proc/{printed_pid(kubernetes, 'team-a', 'sleep-driver')}")


def test_stopping_the_cluster_ends_its_programs(start_cluster, programs, tmp_path):
    cluster = start_cluster(directory=tmp_path, runtime="spark", namespaces={"team-a": None})
    process = sleeping_process(cluster, programs)

    cluster.stop()

    eventually(lambda: not process.exists(), "no process")
    assert not (tmp_path / "cluster.json").exists()


def test_stopping_a_killed_cluster_ends_its_programs(start_cluster, programs):
    cluster = start_cluster(runtime="spark", namespaces={"team-a": None})
    process = sleeping_process(cluster, programs)

    os.kill(cluster.pid, signal.SIGKILL)
    cluster.stop()

    eventually(lambda: not process.exists(), "no process")
