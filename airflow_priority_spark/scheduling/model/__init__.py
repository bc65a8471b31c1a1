# SPDX-License-Identifier: Apache-2.0
"""The picture a decision is made from, and the decision.

Everything here is immutable and plain: the arbiter fills it from the store and the watches, a
simulator from a file, a test from a builder. ``decide(snapshot, now)`` (see ``cycle``) is the only
reader that matters. Instants are POSIX seconds as ``float`` and come from outside; identifiers are
strings; amounts are ``Resources`` (integers in base units)::

    demand     what a job asks for            cluster    nodes, pods, quotas
    queue      pools, waiting jobs, grants    snapshot   all of these, and the site's rules
    decisions  admissions, verdicts, timeouts, what pools remember
"""

from airflow_priority_spark.scheduling.model.cluster import (
    ClusterView,
    LimitItem,
    LimitRangeView,
    NodeView,
    PodView,
    QuotaScope,
    QuotaView,
    Taint,
)
from airflow_priority_spark.scheduling.model.decisions import (
    Admission,
    Blocked,
    Decisions,
    HeadTimeout,
    HeadWarning,
    Impossible,
    PoolState,
    describe_blocked,
    describe_timeout,
)
from airflow_priority_spark.scheduling.model.demand import (
    ANY_SCOPE,
    NO_RESOURCES,
    Container,
    Demand,
    PodScope,
    PodSet,
    Toleration,
)
from airflow_priority_spark.scheduling.model.names import Ineligible, QueueKey
from airflow_priority_spark.scheduling.model.queue import Grant, HeadRules, PoolView, QueuedJob, QueueView
from airflow_priority_spark.scheduling.model.snapshot import Rules, Snapshot

__all__ = [
    "ANY_SCOPE",
    "NO_RESOURCES",
    "Admission",
    "Blocked",
    "ClusterView",
    "Container",
    "Decisions",
    "Demand",
    "Grant",
    "HeadRules",
    "HeadTimeout",
    "HeadWarning",
    "Impossible",
    "Ineligible",
    "LimitItem",
    "LimitRangeView",
    "NodeView",
    "PodScope",
    "PodSet",
    "PodView",
    "PoolState",
    "PoolView",
    "QueueKey",
    "QueueView",
    "QueuedJob",
    "QuotaScope",
    "QuotaView",
    "Rules",
    "Snapshot",
    "Taint",
    "Toleration",
    "describe_blocked",
    "describe_timeout",
]
