# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest

from airflow_priority_spark.errors import IllegalTransition
from airflow_priority_spark.scheduling.jobs import (
    ACTIVE,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    JobState,
    check_transition,
    is_terminal,
)

LEGAL = """
held       -> queued failed cancelled
queued     -> held admitted failed cancelled
admitted   -> submitted running queued succeeded failed cancelled
submitted  -> running queued succeeded failed cancelled
running    -> queued succeeded failed cancelled
succeeded  ->
failed     ->
cancelled  ->
"""
PAIRS = {
    (line.split("->")[0].strip(), wanted)
    for line in LEGAL.strip().splitlines()
    for wanted in line.split("->")[1].split()
}


@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(JobState, JobState)))
def test_exactly_the_transitions_of_the_design_are_legal(current, wanted):
    if (current, wanted) in PAIRS:
        check_transition("job-1", current, wanted)
        return
    with pytest.raises(IllegalTransition) as caught:
        check_transition("job-1", current, wanted)
    assert str(caught.value) == f"job job-1 is '{current}' and cannot become '{wanted}'"


def test_states_read_from_the_database_as_text_are_accepted():
    check_transition("job-1", "queued", "admitted")
    assert is_terminal("failed")
    assert not is_terminal("running")


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="'lost' is not a valid JobState"):
        check_transition("job-1", "queued", "lost")


def test_every_state_is_waiting_active_or_terminal_and_only_one_of_them():
    assert set(TRANSITIONS) == set(JobState)
    assert sorted([*WAITING, *ACTIVE, *TERMINAL]) == sorted(JobState)
