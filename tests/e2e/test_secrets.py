# SPDX-License-Identifier: Apache-2.0
"""What a job carries for its driver stays between the worker and the cluster.

A manifest holds keys and passwords; whoever may read Airflow's database, the command line or the logs of
a component must not find them. So secrets are planted wherever an author can put a value, and each place
(tables, the API's answers, events in the cluster, commands, logs) is searched while the job waits, while it
runs and after it has ended. The one place that has them is Airflow's own table of rendered template fields,
which shows a task's arguments to those who may see it.
"""

from __future__ import annotations

import json

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import inspect, text

from airflow_priority_spark.scheduling.jobs import JobState
from demo.site import AirflowSite
from tests.e2e.applications import SPARK, Witness
from tests.e2e.conftest import QUICK, start_cluster
from tests.e2e.work import Run, until

pytestmark = pytest.mark.e2e

NAMESPACE = "vault"
#: Place → what is planted there; rendered on the worker, so that the DAG's source has none of it.
PLANTED = {
    place: f"planted-in-{place}-7d1e94"
    for place in ("conf", "hadoop", "argument", "env", "java", "annotation", "init", "label")
}
#: Airflow's own: the arguments of a task as they were rendered.
RENDERED = "rendered_task_instance_fields"
DAG = """
from airflow.sdk import DAG
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

def planted(place):
    return "{{ var.value.planted_" + place + " }}"

POD = {
    "cores": 1,
    "memory": "512m",
    "env": [{"name": "PASSWORD", "value": planted("env")}],
    "javaOptions": "-Dkey=" + planted("java"),
    "annotations": {"example.com/key": planted("annotation")},
    "initContainers": [
        {
            "name": "init",
            "image": "init",
            "command": ["login", planted("init")],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        }
    ],
}
SPEC = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"annotations": {"priority-spark/simulated-runtime": "8s"}},
    "spec": {
        "type": "Python",
        "mode": "cluster",
        "image": "spark:4.0.1",
        "sparkVersion": "4.0.1",
        "mainApplicationFile": "local:///opt/jobs/main.py",
        "arguments": ["--password", planted("argument")],
        "sparkConf": {"spark.hadoop.fs.s3a.secret.key": planted("conf")},
        "hadoopConf": {"fs.s3a.session.token": planted("hadoop")},
        "driver": {**POD, "labels": {"example.com/key": planted("label")}},
        "executor": {**POD, "instances": 1},
    },
}
with DAG("secrets", schedule=None):
    PrioritySparkKubernetesOperator(task_id="spark", namespace="vault", template_spec={"spark": SPEC})
"""


@pytest.fixture(scope="module")
def witness(tmp_path_factory):
    quota = {"requests.cpu": "2", "requests.memory": "8Gi", "pods": "10"}
    with start_cluster(tmp_path_factory.mktemp("cluster"), namespaces={NAMESPACE: quota}) as cluster:
        witness = Witness(cluster.kubeconfig)
        witness.kubeconfig = cluster.kubeconfig
        yield witness
        witness.stop()


@pytest.fixture(scope="module")
def site(witness, tmp_path_factory):
    """An Airflow whose arbiter is not started: the trigger row stays where it can be read."""
    dags = tmp_path_factory.mktemp("dags")
    (dags / "secrets.py").write_text(DAG)
    config = {**QUICK, "priority_spark.arbiter": "standalone"}
    directory = tmp_path_factory.mktemp("airflow")
    with AirflowSite(directory, dags=dags, kubeconfig=witness.kubeconfig, config=config) as site:
        for place, value in PLANTED.items():
            site.variables[f"AIRFLOW_VAR_PLANTED_{place.upper()}"] = value
        site.migrate()
        site.start()
        site.wait_healthy()
        yield site


def tables(site):
    """Return every table as text, but Airflow's rendered fields; triggers' arguments deciphered."""
    key = Fernet(site.variables["AIRFLOW__CORE__FERNET_KEY"])
    found = {}
    with site.database() as session:
        for table in set(inspect(session.get_bind()).get_table_names()) - {RENDERED}:
            rows = [dict(row) for row in session.execute(text(f'SELECT * FROM "{table}"')).mappings()]
            for row in rows:
                if row.get("encrypted_kwargs"):
                    row["kwargs"] = key.decrypt(row["encrypted_kwargs"].encode()).decode()
            found[table] = repr(rows)
    return found


def answers(run):
    """Return what Airflow's API says of the run, but for the rendered fields of its task."""
    place = f"/dags/{run.dag_id}/dagRuns/{run.run_id}"
    parts = ("", "/taskInstances", "/taskInstances/spark/tries", "/taskInstances/spark/xcomEntries")
    paths = [f"/dags/{run.dag_id}/details", "/eventLogs?limit=100", *(place + part for part in parts)]
    said = {path: run.site.api.request("GET", path) for path in paths}
    for ti in said[f"{place}/taskInstances"]["task_instances"]:
        assert ti.pop("rendered_fields"), "Airflow's own"
    return {path: json.dumps(found) for path, found in said.items()}


def notes(witness):
    """Return the events of the namespace, as Kubernetes keeps them."""
    found = witness.core.list_namespaced_event(NAMESPACE, _preload_content=False).data.decode()
    return {"events": found}


def commands(site, job_id):
    """Return what the command line shows of the job and its queue."""
    spoken = {}
    for words in (["job", "show", job_id], ["job", "list", "--state", "all"], ["queue", "list"], ["status"]):
        done = site.airflow("priority-spark", *words, "-o", "json")
        assert done.returncode == 0, done.stderr
        spoken[" ".join(words)] = done.stdout + done.stderr
    return spoken


def logs(site):
    """Return the logs of all components and tasks."""
    return {str(path): path.read_text(errors="replace") for path in site.directory.rglob("*.log")}


def search(places):
    """Return (where, what) of everything planted that is found."""
    return [
        (where, place)
        for where, said in places.items()
        for place, value in PLANTED.items()
        if value in said or value.encode().hex() in said
    ]


def deferred(run):
    states = {ti["state"] for ti in run.site.api.task_instances(run.dag_id, run.run_id)}
    assert "failed" not in states, run.log()
    return states == {"deferred"}


def test_nothing_a_job_carries_is_left_in_airflow_in_our_tables_or_in_logs(site, witness):
    with witness.full(NAMESPACE):
        run = Run.start(site, witness, "secrets")
        until(lambda: deferred(run), lambda: site.log_end("scheduler"), 120)
        waiting = tables(site)
        assert NAMESPACE in waiting["trigger"]
        assert "requests" in waiting["trigger"]
        assert search(waiting) == []
        waiting = answers(run)
        assert "AdmissionTrigger" in "".join(waiting.values())
        assert search(waiting) == []

        site.start("arbiter")
        job = run.newest_job_is(JobState.QUEUED, 60)
        assert search(tables(site)) == []
        assert search(commands(site, job.id)) == []

    run.newest_job_is(JobState.RUNNING, 90)
    # It did reach the cluster: there, and only there, a search finds all of it.
    (app,) = witness.custom.list_namespaced_custom_object(*SPARK[:2], NAMESPACE, SPARK[2])["items"]
    assert {place for _, place in search({"cluster": json.dumps(app)})} == set(PLANTED)
    assert search(tables(site)) == []
    running = answers(run)
    assert "SparkApplicationTrigger" in "".join(running.values())
    assert search(running) == []

    assert run.ended(120) == "success"
    run.newest_job_is(JobState.SUCCEEDED, 60)
    ended = tables(site)
    ours = {name: rows for name, rows in ended.items() if name.startswith("priority_spark")}
    assert any(job.application_name in rows for job in run.jobs() for rows in ours.values())
    assert search(ended) == []
    assert search(answers(run)) == []
    noted = notes(witness)
    assert app["metadata"]["name"] in noted["events"]
    assert search(noted) == []
    said = commands(site, job.id)
    assert NAMESPACE in said["queue list"]
    assert search(said) == []
    spoken = logs(site)
    assert any(name.endswith("arbiter.log") and "secrets" in log for name, log in spoken.items())
    assert search(spoken) == []
