# SPDX-License-Identifier: Apache-2.0
"""A fault of cycles is told once, whatever words each attempt fails with."""

from __future__ import annotations

import datetime
import logging

import pytest
from sqlalchemy.exc import OperationalError

from airflow_priority_spark.arbiter.outages import Outages
from tests.builders import NOW


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="airflow_priority_spark.arbiter.outages")
    return lambda: [record.getMessage() for record in caplog.records]


def database(text):
    return OperationalError("SELECT 1", {}, Exception(f"{text}\nsecond line"))


def test_an_outage_of_the_database_is_one_line_and_its_end_another(said):
    clock = Clock()
    outages = Outages(clock)
    for text in ("connection refused", "the database system is starting up", "connection closed"):
        outages.failed(database(text), 15)
        clock.now += datetime.timedelta(seconds=4)
    assert outages.of_database
    outages.worked()
    outages.worked()

    assert said() == [
        "Airflow's database does not answer: connection refused; it is tried again with pauses of up to 15 s",
        "Cycles work again after 12.0 s and 3 failures",
    ]
    assert not outages.of_database
    assert outages.last == {
        "since": NOW.isoformat(),
        "until": clock.now.isoformat(),
        "what": "database",
        "why": "connection refused",
    }


def test_any_other_fault_is_told_whole_and_again_when_it_is_another(said, caplog):
    outages = Outages(Clock())
    for text in ("one", "one", "two"):
        outages.failed(ValueError(text), 15)
    assert said() == ["A cycle failed and will be tried again"] * 2
    assert [str(record.exc_info[1]) for record in caplog.records] == ["one", "two"]
    assert not outages.of_database
    outages.worked()
    assert outages.last["why"] == "ValueError: two"
