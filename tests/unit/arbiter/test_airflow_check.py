# SPDX-License-Identifier: Apache-2.0
"""An arbiter refuses to start on an Airflow whose internal API it does not know."""

from enum import Enum

import pytest
from airflow import __version__ as airflow_version
from airflow.models import trigger
from airflow.utils import state

from airflow_priority_spark.arbiter import airflow_check
from airflow_priority_spark.arbiter.airflow_check import check_airflow
from airflow_priority_spark.errors import IncompatibleAirflow


def refusal() -> str:
    with pytest.raises(IncompatibleAirflow) as caught:
        check_airflow()
    return str(caught.value)


def test_the_installed_airflow_is_known():
    check_airflow()


def test_the_message_names_the_version_and_what_to_do(monkeypatch):
    monkeypatch.delattr(trigger, "handle_event_submit")
    message = refusal()
    assert f"Airflow {airflow_version} does not have" in message
    assert "Upgrade this package, or go back to the previous Airflow version." in message


def test_a_missing_resume_function_is_named(monkeypatch):
    monkeypatch.delattr(trigger, "handle_event_submit")
    assert "airflow.models.trigger.handle_event_submit is missing" in refusal()


def test_a_resume_function_with_other_parameters_is_named(monkeypatch):
    monkeypatch.setattr(trigger, "handle_event_submit", lambda event, *, ti, session: None)
    assert "handle_event_submit takes (event, ti, session)" in refusal()


def test_a_resume_function_that_wants_more_is_named(monkeypatch):
    monkeypatch.setattr(
        trigger, "handle_event_submit", lambda event, *, task_instance, session, dag_bag: None
    )
    assert "handle_event_submit takes (event, task_instance, session, dag_bag)" in refusal()


def test_a_resume_function_that_may_be_given_more_is_fine(monkeypatch):
    monkeypatch.setattr(
        trigger, "handle_event_submit", lambda event, *, task_instance, session, reason=None: None
    )
    check_airflow()


def test_another_failure_method_is_named(monkeypatch):
    monkeypatch.setattr(trigger, "TRIGGER_FAIL_REPR", "__broken__")
    assert "TRIGGER_FAIL_REPR is '__broken__' instead of '__fail__'" in refusal()


def test_a_missing_column_is_named(monkeypatch):
    columns = {**airflow_check.TASK_INSTANCE_COLUMNS, "parking_lot": "parking_lot"}
    monkeypatch.setattr(airflow_check, "TASK_INSTANCE_COLUMNS", columns)
    assert "TaskInstance.parking_lot is missing (expected: column task_instance.parking_lot)" in refusal()


def test_a_renamed_column_is_named(monkeypatch):
    monkeypatch.setattr(airflow_check, "TRIGGER_COLUMNS", {"encrypted_kwargs": "secrets"})
    assert "Trigger.encrypted_kwargs maps to kwargs (expected: column trigger.secrets)" in refusal()


def test_a_missing_state_is_named(monkeypatch):
    monkeypatch.setattr(state, "TaskInstanceState", Enum("TaskInstanceState", ["SCHEDULED", "DEFERRED"]))
    assert "TaskInstanceState lacks QUEUED, RUNNING, SUCCESS" in refusal()


def test_every_difference_is_named_at_once(monkeypatch):
    monkeypatch.delattr(trigger, "handle_event_submit")
    monkeypatch.setattr(trigger, "TRIGGER_FAIL_REPR", None)
    message = refusal()
    assert "handle_event_submit is missing" in message
    assert "TRIGGER_FAIL_REPR is None" in message
