# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the requirement tests, and one line per requirement at the end of their run."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from tests.operator.requirements import REQUIREMENTS
from tests.unit.arbiter.conftest import world
from tests.unit.cluster.conftest import api
from tests.unit.spark_cluster import cluster, connection, kubernetes, listen, namespace, ref

__all__ = ["api", "cluster", "connection", "kubernetes", "listen", "namespace", "ref", "world"]

_outcomes: dict[int, set[str]] = defaultdict(set)


@pytest.fixture(params=["sqlite"])
def database_kind(request):
    """Requirements of the operator do not depend on the database; the store's tests run on both."""
    return request.param


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """There is no scheduler here whose heartbeat a resumed task would have to wait for."""
    monkeypatch.setattr("airflow_priority_spark.triggers.settling.SETTLE_SECONDS", 0.0)


def pytest_runtest_logreport(report):
    found = re.search(r"tests/operator/.*::test_(\d\d)_", report.nodeid)
    if found and (report.when == "call" or not report.passed):
        _outcomes[int(found[1])].add(report.outcome)


def pytest_terminal_summary(terminalreporter):
    if not _outcomes:
        return
    terminalreporter.section("requirements of the operator")
    for number, sentence in REQUIREMENTS.items():
        seen = _outcomes.get(number, set())
        word = "failed" if "failed" in seen else "passed" if seen == {"passed"} else "not run"
        terminalreporter.write_line(f"{number:2}  {sentence}: {word}")
