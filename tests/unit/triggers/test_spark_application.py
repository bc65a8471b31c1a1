# SPDX-License-Identifier: Apache-2.0
"""Waiting for applications of a real API over HTTP, alone and many at once."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from airflow.sdk._shared.module_loading import import_string
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_priority_spark.cluster.reflector import Reflector
from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.triggers import settling
from airflow_priority_spark.triggers import spark_application as module
from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger
from tests.cluster.applications import Kubernetes
from tests.unit.spark_cluster import names, spark_application

SECONDS = 20


@pytest.fixture
def submit(kubernetes, namespace, ref):
    """Create an application; return the trigger that waits for it."""

    def create(name, **options):
        uid = kubernetes.submit(namespace, spark_application(name, **options))["metadata"]["uid"]
        return trigger_of(ref, namespace, name, uid)

    return create


def trigger_of(ref, namespace, name, uid, **options):
    return SparkApplicationTrigger(
        connection=ref.to_json(),
        namespace=namespace,
        name=name,
        uid=uid,
        job_id="job-1",
        admission=2,
        **options,
    )


async def fired(events):
    async with asyncio.timeout(SECONDS):
        return [event.payload async for event in events]


class Triggerer:
    """Lets triggers share their streams as Airflow's triggerer does (``TriggerRunner.run_trigger``)."""

    def __init__(self):
        self.manager = SharedStreamManager()
        self._count = 0

    async def run(self, trigger):
        self._count += 1
        trigger_id, key = self._count, trigger.shared_stream_key()
        stream = self.manager.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
        try:
            return await fired(trigger.filter_shared_stream(stream))
        finally:
            await self.manager.unsubscribe(trigger_id, key)


def test_it_comes_back_from_its_row_as_it_was(ref):
    classpath, kwargs = trigger_of(ref, "n", "a", "u", keep_application=True).serialize()
    again = import_string(classpath)(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (classpath, kwargs)


def test_triggers_of_one_namespace_share_and_others_do_not(ref):
    mine = trigger_of(ref, "n", "a", "u").shared_stream_key()
    assert mine == trigger_of(ref, "n", "b", "v").shared_stream_key()
    assert mine != trigger_of(ref, "other", "a", "u").shared_stream_key()
    assert mine != trigger_of(ConnectionRef("elsewhere"), "n", "a", "u").shared_stream_key()
    assert hash(mine)


async def test_a_completed_application_fires_with_its_driver_pod(submit, namespace, listen):
    trigger = submit("pi")
    said = listen(trigger)
    (payload,) = await fired(trigger.run())
    assert payload == {
        "status": "completed",
        "state": "COMPLETED",
        "message": "",
        "driver_pod": "pi-driver",
        "application_id": payload["application_id"],
        "executor_failures": "",
        "action": "",
        "connection": trigger.connection,
        "namespace": namespace,
        "name": "pi",
        "uid": trigger.uid,
        "job_id": "job-1",
        "admission": 2,
    }
    assert payload["application_id"].startswith("spark-")
    assert said.lines[-1].startswith(f"SparkApplication {namespace}/pi: ")
    assert "COMPLETED, driver pod pi-driver" in said.lines[-1]
    assert len(said.lines) == len(set(said.lines))


async def test_a_failed_application_says_why_in_the_log_and_not_in_the_event(submit, listen):
    trigger = submit("pi", exit_code=3)
    said = listen(trigger)
    (payload,) = await fired(trigger.run())
    assert (payload["status"], payload["state"], payload["message"]) == ("failed", "FAILED", "")
    assert "ExitCode: 3" in said.lines[-1]


async def test_a_rerun_is_waited_for(submit, kubernetes, namespace):
    policy = {"type": "OnFailure", "onFailureRetries": 1, "onFailureRetryInterval": 1}
    trigger = submit("pi", exit_code=3, restartPolicy=policy)
    (payload,) = await fired(trigger.run())
    assert payload["state"] == "FAILED"
    assert kubernetes.application(namespace, "pi")["status"]["executionAttempts"] == 2


async def test_a_task_is_not_resumed_before_its_scheduler_has_seen_the_worker_end(submit, monkeypatch):
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 2.0)
    began = time.monotonic()
    (payload,) = await Triggerer().run(submit("pi", runtime="100ms"))
    assert payload["status"] == "completed"
    assert time.monotonic() - began >= 2.0


async def test_many_tasks_share_one_watch_and_a_late_one_misses_nothing(submit, monkeypatch):
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.0)
    started = []
    start = Reflector.start
    monkeypatch.setattr(Reflector, "start", lambda self: (started.append(self), start(self)))
    triggers = [submit(f"pi-{number}", runtime="1s") for number in range(8)]
    triggerer = Triggerer()
    waiting = [asyncio.create_task(triggerer.run(trigger)) for trigger in triggers[:-1]]
    await asyncio.sleep(1.5)
    waiting.append(asyncio.create_task(triggerer.run(triggers[-1])))
    payloads = [payload for found in await asyncio.gather(*waiting) for payload in found]
    assert [payload["status"] for payload in payloads] == ["completed"] * 8
    assert {payload["name"] for payload in payloads} == {trigger.name for trigger in triggers}
    assert sorted(str(watch) for watch in started) == [
        f"pods in {triggers[0].namespace}",
        f"sparkapplications.sparkoperator.k8s.io in {triggers[0].namespace}",
    ]


async def test_a_deleted_application_has_vanished_once_the_api_server_says_so(
    submit, kubernetes, namespace, monkeypatch
):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.3)
    trigger = submit("pi", runtime="60s")
    waiting = asyncio.create_task(fired(trigger.run()))
    await asyncio.sleep(0.5)
    kubernetes.delete_application(namespace, "pi")
    (payload,) = await waiting
    assert payload["status"] == "vanished"
    assert payload["message"] == f"SparkApplication {namespace}/pi was deleted"


async def test_another_application_of_the_same_name_is_not_ours(ref, namespace, kubernetes, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.3)
    kubernetes.submit(namespace, spark_application("pi", runtime="60s"))
    (payload,) = await fired(trigger_of(ref, namespace, "pi", "another-uid").run())
    assert payload["status"] == "vanished"
    assert payload["message"].endswith("(another one of its name took its place)")


async def test_a_cluster_that_goes_away_is_waited_for_with_one_line(tmp_path, listen):
    options = {"runtime": "simulated", "namespaces": {"team": None}, "simulated_seconds": 60}
    cluster = EmbeddedCluster.start(tmp_path, **options)
    ref = ConnectionRef(None, config_file=str(cluster.kubeconfig))
    uid = Kubernetes(cluster.kubeconfig).submit("team", spark_application("pi", runtime=None))["metadata"][
        "uid"
    ]
    trigger = trigger_of(ref, "team", "pi", uid)
    said = listen(trigger)
    waiting = asyncio.create_task(fired(trigger.run()))
    await asyncio.sleep(1)
    await asyncio.to_thread(cluster.stop)
    await asyncio.sleep(3)
    assert not waiting.done()
    waiting.cancel()
    interrupted = [line for line in said.lines if "The watch is interrupted and goes on trying" in line]
    assert len(interrupted) == 1
    assert "does not answer" in interrupted[0]


async def test_a_connection_that_cannot_be_read_is_waited_for(listen):
    trigger = trigger_of(ConnectionRef("no_such_connection"), "n", "a", "u")
    said = listen(trigger)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fired(trigger.run()), 0.5)
    assert said.lines == [
        "The watch is interrupted and goes on trying: kubernetes_conn_id: 'no_such_connection' is not valid; "
        "allowed: the id of an existing Airflow connection of type kubernetes"
    ]


class TestKill:
    async def test_it_deletes_the_application_and_may_be_repeated(
        self, submit, kubernetes, namespace, listen
    ):
        trigger = submit("pi", runtime="60s")
        said = listen(trigger)
        await trigger.on_kill()
        await trigger.on_kill()
        assert names(kubernetes, namespace) == []
        assert said.lines == [f"The task was ended by hand: SparkApplication {namespace}/pi is being deleted"]

    async def test_it_leaves_another_application_of_the_same_name(self, submit, ref, kubernetes, namespace):
        submit("pi", runtime="60s")
        await trigger_of(ref, namespace, "pi", "another-uid").on_kill()
        assert names(kubernetes, namespace) == ["pi"]

    async def test_it_keeps_the_application_when_asked_to(self, submit, ref, kubernetes, namespace):
        uid = submit("pi", runtime="60s").uid
        await trigger_of(ref, namespace, "pi", uid, keep_application=True).on_kill()
        assert names(kubernetes, namespace) == ["pi"]

    async def test_the_end_of_a_triggerer_deletes_nothing(self, submit, kubernetes, namespace):
        trigger = submit("pi", runtime="60s")
        waiting = asyncio.create_task(fired(trigger.run()))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await trigger.cleanup()
        assert names(kubernetes, namespace) == ["pi"]
