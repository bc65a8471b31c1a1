# SPDX-License-Identifier: Apache-2.0
"""The tables.

They live in Airflow's metadata database, in a ``MetaData`` of their own and without foreign keys
into Airflow's tables: Airflow deletes its rows when it pleases, and ours must outlive them (a grant
is released when its pods are gone, not when a DAG run is cleaned up). All instants are UTC.

Whatever is written here must be the same as what the migrations build; a test compares the two.
"""

from __future__ import annotations

from airflow_priority_spark.store.models.base import PREFIX, VERSION_TABLE, Base
from airflow_priority_spark.store.models.jobs import (
    EVENT_TO_NOTIFY,
    EVENT_TO_TALLY,
    JOB_ASIDE,
    JOB_IN_LINE,
    Delivery,
    Event,
    Grant,
    Job,
)
from airflow_priority_spark.store.models.queues import FlowOverride, Pool, PoolRule, Queue
from airflow_priority_spark.store.models.site import (
    ArbiterState,
    Audit,
    CapacitySnapshot,
    Cluster,
    ClusterAlias,
    Instance,
    Setting,
    Tally,
)

__all__ = [
    "EVENT_TO_NOTIFY",
    "EVENT_TO_TALLY",
    "JOB_ASIDE",
    "JOB_IN_LINE",
    "PREFIX",
    "VERSION_TABLE",
    "ArbiterState",
    "Audit",
    "Base",
    "CapacitySnapshot",
    "Cluster",
    "ClusterAlias",
    "Delivery",
    "Event",
    "FlowOverride",
    "Grant",
    "Instance",
    "Job",
    "Pool",
    "PoolRule",
    "Queue",
    "Setting",
    "Tally",
]
