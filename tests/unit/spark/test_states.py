# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_priority_spark.spark.states import (
    ApplicationStatus,
    is_quota_refusal,
    is_terminal,
    quota_refusal,
    read_status,
)


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED"])
def test_only_these_states_are_final(state):
    assert is_terminal(state)


@pytest.mark.parametrize(
    "state",
    [
        "",
        "SUBMITTED",
        "RUNNING",
        "SUBMISSION_FAILED",
        "SUCCEEDING",
        "FAILING",
        "PENDING_RERUN",
        "INVALIDATING",
        "SUSPENDING",
        "SUSPENDED",
        "RESUMING",
        "UNKNOWN",
        "SOME_STATE_OF_2030",
    ],
)
def test_every_other_state_and_unknown_ones_are_waited_for(state):
    assert not is_terminal(state)


def test_a_status_is_read_from_what_is_there():
    assert read_status({"metadata": {"name": "a", "uid": "u"}}) == ApplicationStatus("a", "u")
    full = {
        "metadata": {"name": "a", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {
            "applicationState": {"state": "FAILED", "errorMessage": "driver failed"},
            "driverInfo": {"podName": "a-driver"},
        },
    }
    assert read_status(full) == ApplicationStatus("a", "u", "FAILED", "driver failed", "a-driver", True)


def test_a_refusal_for_a_quota_is_told_from_other_failures():
    refused = (
        'pods "a-driver" is forbidden: exceeded quota: team-a, requested: cpu=1, used: cpu=8, limited: cpu=8'
    )
    assert is_quota_refusal(refused)
    assert is_quota_refusal('failed to validate resource quota "team-a/quota"')
    assert not is_quota_refusal("driver container failed with ExitCode: 1, Reason: Error")


QUOTA = "exceeded quota: q, requested: pods=1, used: pods={0}, limited: pods={0}"


def test_of_a_refusal_only_the_quota_and_its_numbers_are_taken_and_the_last_one_counts():
    log = f'INFO key=secret\npods "x" is forbidden: {QUOTA.format(3)}. Received\n{QUOTA.format(4)}. secret'
    assert quota_refusal(log) == QUOTA.format(4)
    answer = '{"message":"pods \\"x\\" is forbidden: ' + QUOTA.format(5) + '","reason":"Forbidden"}'
    assert quota_refusal(answer) == QUOTA.format(5)
    webhook = 'denied: failed to validate resource quota "n/q": secret'
    assert quota_refusal(webhook) == 'failed to validate resource quota "n/q"'
    assert quota_refusal("INFO up") == ""


@pytest.mark.parametrize("text", [QUOTA.format(3)[:40], QUOTA.format(3)[:20]])
def test_of_a_refusal_whose_numbers_were_cut_off_the_quota_is_still_named(text):
    assert quota_refusal(text) == "exceeded quota: q"
    assert is_quota_refusal(text)
