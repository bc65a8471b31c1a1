# SPDX-License-Identifier: Apache-2.0
"""Tells ``dag.test()`` from the real thing.

Under ``dag.test()`` and ``airflow tasks test`` no scheduler, triggerer or arbiter runs, so a task that
waited for its admission would wait for ever. Airflow runs task and trigger in one process there and
gives them a supervisor of a class that exists for nothing else; that is the mark we go by.

Source: ``airflow/sdk/execution_time/supervisor.py`` (``InProcessTestSupervisor``), Airflow 3.3.
"""

from __future__ import annotations


def in_dag_test() -> bool:
    """Tell whether this process runs a task or trigger in line, for a test."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.supervisor import InProcessSupervisorComms

    return isinstance(getattr(task_runner, "SUPERVISOR_COMMS", None), InProcessSupervisorComms)
