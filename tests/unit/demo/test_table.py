# SPDX-License-Identifier: Apache-2.0
"""The live table, and what is printed where there is no terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from airflow_priority_spark.scheduling.jobs import JobState
from demo.table import Screen, bar, duration, render
from demo.view import Usage, View
from tests.unit.demo.test_verdict import GOOD, a_job

BLOCKED = "cpu: needs 2 CPU, 1 CPU free of quota team-a"
VIEW = View(
    queues=(object(),),
    jobs=(
        a_job(GOOD, JobState.SUCCEEDED),
        replace(a_job(("d", "waits[0]"), JobState.QUEUED), position=1, ended_at=None, sentence=BLOCKED),
        replace(a_job(("d", "runs"), JobState.RUNNING), ended_at=None, sentence="driver runs"),
    ),
    usages=(Usage("team-b", "requests.memory", 2**30, 4 * 2**30, 2 * 2**30),),
)


def text(view):
    console = Console(file=io.StringIO(), width=120)
    console.print(render(view, 65))
    return console.file.getvalue()


def test_the_table_shows_usage_positions_and_what_a_job_waits_for():
    shown = text(VIEW)
    assert "1m05s  2 jobs open, 1 succeeded, 0 failed" in shown
    assert "████▒▒▒▒········" in shown
    assert "1 GiB used, 2 GiB promised of 4 GiB" in shown
    assert "waits[0]  queued" in shown
    assert BLOCKED in shown


def test_what_has_started_stands_above_what_waits_and_what_has_ended_is_only_counted():
    shown = text(VIEW)
    assert shown.index("runs") < shown.index("waits[0]")
    assert GOOD[1] not in shown


@pytest.mark.parametrize(
    ("amounts", "drawn"),
    [
        ((0, 0, 4), "················"),
        ((4, 4, 4), "████████████████"),
        ((5, 9, 4), "████████████████"),
        ((2, 1, 4), "████████········"),
        ((0, 0, 0), "████████████████"),
    ],
)
def test_a_bar_is_sixteen_wide_whatever_the_amounts(amounts, drawn):
    assert bar(*amounts) == drawn


@pytest.mark.parametrize(("seconds", "said"), [(0.9, "0s"), (59, "59s"), (61, "1m01s"), (3600, "60m00s")])
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_without_a_terminal_the_table_is_printed_now_and_then_and_not_at_every_look():
    console = Console(file=io.StringIO(), width=120)
    with Screen(console) as screen:
        for _ in range(5):
            screen.show(VIEW)
    assert console.file.getvalue().count("jobs open") == 1


def test_on_a_terminal_the_table_is_shown_in_place():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with Screen(console) as screen:
        screen.show(VIEW)
    assert "jobs open" in console.file.getvalue()
