# SPDX-License-Identifier: Apache-2.0
"""Airflow's own audit log, where its administrators look for who did what.

Airflow writes a row for every request of a person that changes something; so do we, in the form that its
pages and its API show. An act on a job names the task, so that it stands in the DAG's own audit log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from airflow.models.log import Log
from sqlalchemy.orm import Session

from airflow_priority_spark.spark.identity import TaskKey

#: Before the name of every act.
PREFIX: Final = "priority_spark."
_MAX_EVENT: Final = 60
_MAX_OWNER: Final = 500


def write_log(
    session: Session, action: str, user: str, details: Mapping[str, Any], task: TaskKey | None = None
) -> None:
    """Add a row to Airflow's audit log, in the caller's transaction.

    :param action: ``hold``; it appears as ``priority_spark.hold``.
    :param details: plain data.
    :param task: whose job it was done to.
    """
    of_task = {}
    if task is not None:
        of_task = {
            "dag_id": task.dag_id,
            "run_id": task.run_id,
            "task_id": task.task_id,
            "map_index": task.map_index,
        }
    session.add(
        Log(
            event=(PREFIX + action)[:_MAX_EVENT],
            task_instance=None,
            owner=user[:_MAX_OWNER],
            owner_display_name=user[:_MAX_OWNER],
            extra=json.dumps(dict(details), default=str),
            **of_task,
        )
    )
