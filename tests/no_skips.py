# SPDX-License-Identifier: Apache-2.0
"""With ``CI=true`` a skipped test is a failed test.

On a person's machine a missing program skips its tests, visibly. Where the build decides, a skip
would be a test that nobody ran and nobody missed.
"""

from __future__ import annotations

import os

import pytest


def _refuse(report: pytest.CollectReport | pytest.TestReport) -> None:
    if os.environ.get("CI", "").lower() != "true":
        return
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"with CI=true nothing may be skipped. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _refuse(report)
    return report
