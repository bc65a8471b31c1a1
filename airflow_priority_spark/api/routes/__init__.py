# SPDX-License-Identifier: Apache-2.0
"""What is asked for under which path; each module has one ``router``."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from airflow_priority_spark.api.routes import (
    act_bulk,
    act_job,
    act_queue,
    clusters,
    export,
    flows,
    history,
    job,
    jobs,
    me,
    queues,
    settings_view,
    stream,
)

#: In the order in which paths are tried.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    me.router,
    queues.router,
    export.router,
    jobs.router,
    job.router,
    clusters.router,
    history.router,
    act_bulk.router,
    act_job.router,
    act_queue.router,
    flows.router,
    settings_view.router,
    stream.router,
)
