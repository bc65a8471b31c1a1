# SPDX-License-Identifier: Apache-2.0
"""What a worker knows of the attempt it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_priority_spark.spark.demand import excess
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.spark.request import ConnectionRef, demand_from_json

if TYPE_CHECKING:
    from logging import Logger

    from airflow.sdk import Context

    from airflow_priority_spark.cluster.connections import ClusterConnection
    from airflow_priority_spark.scheduling.model import Demand
    from airflow_priority_spark.spark.admission import AdmissionEvent


def connect(ref: ConnectionRef) -> ClusterConnection:
    """Return the way to the cluster.

    :raises InvalidInput: when there is no such connection or it is unusable.
    """
    # Parsing a DAG must not load the Kubernetes client.
    from airflow_priority_spark.cluster.connections import resolve

    return resolve(ref)


def task_key(context: Context) -> TaskKey:
    """Return the task's identity over all its attempts."""
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    return TaskKey(ti.dag_id, ti.run_id, ti.task_id, map_index)


def clear_number(context: Context) -> int:
    """Return how often a person has cleared something of this run."""
    return getattr(context.get("dag_run"), "clear_number", None) or 0


def warn_of_run_timeout(context: Context, log: Logger) -> None:
    """Say that the run has a time limit in which time in the queue counts, if it has one."""
    timeout = getattr(context["dag"], "dagrun_timeout", None)
    if timeout is not None:
        log.warning(
            "The DAG has a dagrun_timeout of %s: time in the queue counts, and a run that is over it skips "
            "this task while it waits",
            timeout,
        )


def outdated(fresh: Demand, admission: AdmissionEvent, demand: dict[str, Any] | None) -> str:
    """Say why an admission does not hold any more; empty when it does.

    :param fresh: what the job asks for now.
    :param demand: what was asked for.
    """
    if admission.valid_until and time.time() > admission.valid_until:
        late = time.time() - admission.valid_until
        return f"the admission had run out {late:.0f} s before a worker took the task up"
    more = excess(fresh, demand_from_json(demand)) if demand else ""
    return f"the demand has grown while the task waited: {more}" if more else ""
