# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json

import pytest
from airflow.sdk._shared.module_loading import import_string

from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.spark.request import AdmissionRequest, ConnectionRef
from airflow_priority_spark.store.deferrals import ADMISSION_TRIGGER
from airflow_priority_spark.triggers.admission import CLASSPATH, AdmissionTrigger
from airflow_priority_spark.triggers.dag_test import in_dag_test
from tests.unit.spark_cluster import spark_application

REQUEST = AdmissionRequest(
    "team-a", "high", compute_demand(spark_application("pi")).demand, ConnectionRef("kubernetes_prod")
).to_json()


async def events(trigger):
    return [event.payload async for event in trigger.run()]


def test_it_comes_back_from_its_row_as_it_was():
    classpath, kwargs = AdmissionTrigger(REQUEST, 60.0, "fail").serialize()
    again = import_string(classpath)(**json.loads(json.dumps(kwargs)))
    assert type(again) is AdmissionTrigger
    assert again.serialize() == (classpath, kwargs)


def test_the_arbiter_looks_for_it_under_its_real_name():
    assert CLASSPATH == ADMISSION_TRIGGER
    assert import_string(CLASSPATH) is AdmissionTrigger


async def test_a_claimed_trigger_ends_without_a_word(listen):
    trigger = AdmissionTrigger(REQUEST, 60.0)
    said = listen(trigger)
    running = asyncio.create_task(events(trigger))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await trigger.on_kill()
    await trigger.cleanup()
    assert said.lines == []


async def test_an_unclaimed_trigger_says_so_again_and_again_and_goes_on_waiting(listen):
    trigger = AdmissionTrigger(REQUEST, 0.05)
    said = listen(trigger)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(events(trigger), 0.22)
    assert 2 <= len(said.lines) <= 4
    for words in (
        "No arbiter has claimed this task for 0 s",
        "airflow priority-spark check",
        "[priority_spark] arbiter is not off",
        "connection 'kubernetes_prod'",
        "The task goes on waiting.",
    ):
        assert words in said.lines[0]


@pytest.mark.parametrize("on_unclaimed", ["fail", "legacy"])
async def test_an_unclaimed_trigger_fires_when_asked_to(on_unclaimed):
    (payload,) = await events(AdmissionTrigger(REQUEST, 0.05, on_unclaimed))
    event = AdmissionEvent.from_payload(json.loads(json.dumps(payload)))
    assert event.outcome == "unclaimed"
    assert event.waited_seconds >= 0.05
    assert event.reason.startswith("No arbiter has claimed this task")


def test_a_process_that_runs_no_dag_test_is_told_from_one_that_does():
    assert not in_dag_test()
