# SPDX-License-Identifier: Apache-2.0
"""The builders write what Airflow itself writes, so that tests on them mean something."""

from __future__ import annotations

import json

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger, handle_event_submit
from airflow.sdk.serde import serialize
from airflow.triggers.base import TriggerEvent
from airflow.utils.state import TaskInstanceState

from tests.builders import make_deferred_task, make_request


def test_a_deferred_task_is_stored_as_the_execution_api_stores_it(session):
    request = make_request(priority="high")

    task = make_deferred_task(session, request=request, map_index=3)

    stored = session.get_one(Trigger, task.trigger_id).encrypted_kwargs
    assert stored == json.dumps(serialize({"request": request.to_json()}))


def test_a_deferred_task_can_be_resumed_by_airflow(database, session):
    task = make_deferred_task(session)
    session.commit()

    handle_event_submit(TriggerEvent({"outcome": "admitted"}), task_instance=task, session=session)
    session.commit()

    with database.session() as other:
        resumed = other.get_one(TaskInstance, task.id)
        assert (resumed.state, resumed.next_method) == (TaskInstanceState.SCHEDULED, "resume_admitted")
        assert "event" in resumed.next_kwargs


def test_tasks_of_the_same_run_share_it(session):
    first = make_deferred_task(session, task_id="a")
    second = make_deferred_task(session, task_id="b")
    assert first.dag_run is second.dag_run


def test_a_team_is_made_with_its_task(session):
    task = make_deferred_task(session, team="blue")
    session.commit()
    assert session.get_one(Trigger, task.trigger_id).team_name == "blue"
