# SPDX-License-Identifier: Apache-2.0
"""The deadlock this project exists to prevent, caused by the stock operator's launcher.

Twenty-four applications of a driver and two executors, one CPU each, into a quota of eight CPUs: the drivers
that get in hold everything their executors would need. It must happen on every cluster alike; on the embedded
one it would flatter us not to.
"""

import copy
import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from airflow.providers.cncf.kubernetes.operators.custom_object_launcher import CustomObjectLauncher
from airflow.providers.common.compat.sdk import AirflowException
from kubernetes import watch

from tests.cluster.applications import eventually, spark_application

pytestmark = [
    pytest.mark.cluster,
    # The launcher warns with a traceback for each of the sixteen.
    pytest.mark.usefixtures("quiet_launcher"),
]

COUNT, ROOM = 24, 8
STAYS_SECONDS = 15


@pytest.fixture
def quiet_launcher():
    logging.getLogger(CustomObjectLauncher.__module__).setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster):
    # A driver's JVM takes seconds before it asks for executors; by then the other drivers are there.
    return start_cluster(driver_start_seconds=3)


def launch(kubernetes, namespace, number):
    """Submit as the stock operator does; returns how it went for the task."""
    body = copy.deepcopy(spark_application(f"app-{number}", executors=2, runtime="1s"))
    body["spec"]["restartPolicy"] = {"type": "Never"}
    launcher = CustomObjectLauncher(
        f"app-{number}", namespace, kubernetes.core, kubernetes.custom, {"spark": body}
    )
    try:
        launcher.start_spark_job(startup_timeout=60)
    except AirflowException as error:
        return str(error)
    return "started"


def executors_ever(kubernetes, namespace, stream, found):
    """Collect the executors that exist even for a moment; in a thread."""
    for event in stream.stream(
        kubernetes.core.list_namespaced_pod,
        namespace,
        label_selector="spark-role=executor",
        timeout_seconds=STAYS_SECONDS + 15,
    ):
        found.add(event["object"].metadata.name)


def states(kubernetes, namespace):
    return Counter(kubernetes.state(namespace, f"app-{number}") for number in range(COUNT))


def errors(kubernetes, namespace):
    """Count the applications that say that the quota has refused their driver."""
    found = (kubernetes.application(namespace, f"app-{number}")["status"] for number in range(COUNT))
    said = [status["applicationState"].get("errorMessage", "") for status in found]
    return sum("is forbidden: exceeded quota: quota, requested: requests.cpu=1" in each for each in said)


def test_twenty_four_applications_at_once_deadlock_in_a_quota_of_eight(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": str(ROOM)})
    eventually(lambda: kubernetes.used(namespace), "the quota counts")
    executors = set()
    follower = threading.Thread(
        target=executors_ever, args=(kubernetes, namespace, watch.Watch(), executors), daemon=True
    )
    follower.start()

    with ThreadPoolExecutor(COUNT) as pool:
        outcomes = list(pool.map(lambda number: launch(kubernetes, namespace, number), range(COUNT)))
    deadlock = {"RUNNING": ROOM, "FAILED": COUNT - ROOM}
    eventually(lambda: states(kubernetes, namespace) == deadlock, f"{ROOM} run, the others are refused")
    time.sleep(STAYS_SECONDS)
    follower.join(60)

    assert states(kubernetes, namespace) == deadlock, "nothing has succeeded, nothing ever will"
    # The launcher takes an application that is SUBMISSION_FAILED when it looks for one that runs.
    refused = [outcome for outcome in outcomes if outcome != "started"]
    assert len(refused) <= COUNT - ROOM
    assert all("exceeded quota: quota" in outcome for outcome in refused)
    assert errors(kubernetes, namespace) == COUNT - ROOM
    assert kubernetes.used(namespace) == {"requests.cpu": str(ROOM)}
    assert executors == set(), "no executor has ever existed"
    log = kubernetes.log(namespace, kubernetes.pods(namespace, "spark-role=driver")[0].metadata.name)
    assert "requested: requests.cpu=1, used: requests.cpu=8, limited: requests.cpu=8" in log
