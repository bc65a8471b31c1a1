# SPDX-License-Identifier: Apache-2.0
"""Pictures of a namespace, one after another, for a trigger that listens to them."""

from __future__ import annotations

import asyncio

from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.spark.identity import LABEL_ADMISSION, LABEL_JOB
from airflow_priority_spark.triggers.following import Followed, SparkPod
from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger
from airflow_priority_spark.triggers.watching import Snapshot, by_key

KEY = ("job-1", "1")
LABELS = {LABEL_JOB: KEY[0], LABEL_ADMISSION: KEY[1]}


def app(
    state="RUNNING",
    *,
    created=0.0,
    error="",
    submitted=None,
    ended=None,
    driver="pi-driver",
    deleting=False,
):
    """Return an application of ours."""
    view = ApplicationView("n", "pi", "u", state, driver, error, created, deleting, LABELS)
    return Followed(view, "spark-1", submitted, ended)


def pod(role="driver", name=None, *, phase="Running", created=0.0, **fields):
    """Return a pod of that application."""
    return SparkPod("n", name or f"pi-{role}", role, KEY, phase, created, **fields)


def picture(application, *pods, failures=(), **fields):
    """Return the namespace at one moment."""
    return Snapshot(
        {"pi": application},
        synced=True,
        pods=by_key(pods),
        failures=by_key(failures),
        pods_synced=True,
        **fields,
    )


def trigger(**options):
    """Return a trigger that follows that application."""
    return SparkApplicationTrigger(
        connection={}, namespace="n", name="pi", uid="u", job_id="job-1", **options
    )


def fires(following, *pictures):
    """Show a trigger pictures; return what it fires at which of them, or ``None``."""

    async def show():
        for number, seen in enumerate(pictures):
            payload = await following._judge(seen)
            if payload is not None:
                return number, payload
        return None

    return asyncio.run(show())
