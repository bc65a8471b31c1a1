# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_priority_spark.spark.identity import MAX_NAME, TaskKey, application_name, belongs_to, job_labels

KEY = TaskKey("daily_sales", "scheduled__2026-01-01", "aggregate")
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def test_a_name_says_dag_task_job_and_admission():
    assert re.fullmatch(r"daily-sales-aggregate-[0-9a-f]{8}-2", application_name(KEY, "job-1", 2))


def test_the_same_admission_has_the_same_name_and_another_one_another():
    names = {application_name(KEY, job, number) for job in ("a", "b") for number in (1, 2)}
    assert len(names) == 4
    assert application_name(KEY, "a", 1) == application_name(KEY, "a", 1)


@given(st.text(max_size=300), st.text(max_size=300), st.integers(1, 10**6))
def test_every_name_is_a_short_dns_label(dag_id, task_id, admission):
    name = application_name(TaskKey(dag_id, "r", task_id), "job", admission)
    assert DNS_1035.fullmatch(name)
    assert len(name) <= MAX_NAME


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, dag_id="x"),
        replace(KEY, run_id="x"),
        replace(KEY, task_id="x"),
        replace(KEY, map_index=0),
        TaskKey("daily_sales", "scheduled__2026-01-01aggregate", ""),
    ],
)
def test_another_task_has_another_digest(other):
    assert other.digest("instance") != KEY.digest("instance")
    assert KEY.digest("other instance") != KEY.digest("instance")


def test_a_mapped_task_is_readable():
    assert KEY.readable() == "daily_sales/scheduled__2026-01-01/aggregate"
    assert replace(KEY, map_index=3).readable().endswith("aggregate[3]")


def test_an_object_is_ours_only_with_all_of_our_labels():
    labels = job_labels("i", KEY, "j", 1)
    assert belongs_to({**labels, "more": "x"}, labels)
    assert not belongs_to({**labels, "priority-spark/job": "other"}, labels)
    assert not belongs_to(None, labels)
