# SPDX-License-Identifier: Apache-2.0
"""What every test starts from: an Airflow of its own, and no silent skips.

Airflow reads its configuration when it is first imported, so the environment is set here, before
any test module. A test that wants a database asks for the fixture ``database`` or ``session``; one
that starts Airflow processes of its own sets its own variables over these.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import tempfile
import warnings

import pytest

pytest_plugins = [
    "tests.no_skips",
    "tests.side_by_side",
    "tests.foreign",
    "tests.postgresql",
    "tests.airflow_database",
]

if "airflow.settings" in sys.modules:
    raise pytest.UsageError("airflow was imported before tests/conftest.py could give it a home of its own")

_HOME = tempfile.mkdtemp(prefix="priority-spark-tests-")
os.environ.update(
    AIRFLOW_HOME=_HOME,
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME}/none.db",
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=f"{_HOME}/dags",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
)


def pytest_collection_finish():
    """Keep the garbage collector off all that was imported; it took a fifth of the time of a run."""
    gc.collect()
    gc.freeze()


def _loudness() -> tuple[int, ...]:
    """Return what keeps the log lines of the product from being seen."""
    loggers = [logging.getLogger(), logging.getLogger("airflow_priority_spark")]
    return (logging.root.manager.disable, *(logger.level for logger in loggers))


@pytest.fixture(autouse=True)
def _logging_stays_on(request):
    """Let no test make the log lines of the next ones vanish; name it instead.

    Airflow's commands switch logging off for the whole process while they run.
    """
    before = _loudness()
    yield
    if _loudness() != before:
        off, *levels = before
        logging.disable(off)
        for name, level in zip((None, "airflow_priority_spark"), levels, strict=True):
            logging.getLogger(name).setLevel(level)
        warnings.warn(f"{request.node.nodeid} changed what is logged", stacklevel=1)


def pytest_unconfigure():
    shutil.rmtree(_HOME, ignore_errors=True)
