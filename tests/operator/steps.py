# SPDX-License-Identifier: Apache-2.0
"""Steps that several requirement tests take."""

from __future__ import annotations

import asyncio

from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.spark.request import AdmissionRequest
from tests.cluster.applications import spark_application

SECONDS = 60


def fire(trigger, seconds=SECONDS):
    """Let a trigger run alone until it fires; return its payload."""

    async def first():
        async with asyncio.timeout(seconds):
            return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(first())
    return payload


def request_of(deferred):
    """Return the request with which a task has deferred to the queue."""
    return AdmissionRequest.from_json(deferred.trigger.request)


def demand(executors=1, **options):
    """Return what the smallest application asks for: pods of 1 CPU each."""
    return compute_demand(spark_application("pi", executors=executors, **options)).demand


def full_node(spec):
    """Let no node take the driver of an application."""
    spec["spec"]["driver"]["nodeSelector"] = {"disk": "on-no-node"}
    return spec
