# SPDX-License-Identifier: Apache-2.0
"""The official chart is not in any package registry: tests that need it are collected where it is given."""

from __future__ import annotations

from tests.deploy.charts import OFFICIAL

collect_ignore = [] if OFFICIAL else ["test_official_chart.py"]


def pytest_report_header():
    given = ", ".join(str(path) for path in OFFICIAL)
    return f"official Airflow chart: {given or 'not given in TEST_AIRFLOW_CHARTS, held to its facts only'}"
