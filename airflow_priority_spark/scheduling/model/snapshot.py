# SPDX-License-Identifier: Apache-2.0
"""The whole picture, and the site's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_priority_spark.scheduling.model.cluster import ClusterView
from airflow_priority_spark.scheduling.model.names import QueueKey
from airflow_priority_spark.scheduling.model.queue import (
    DEFAULT_HEAD_RULES,
    Grant,
    HeadRules,
    QueuedJob,
    QueueView,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The site's queueing rules.

    :param batch_size: at most so many admissions per cycle and cluster.
    :param head_rules: of every pool that has none of its own.
    :param fail_impossible: demand that could never be satisfied fails at once.
    :param limit: at most so many jobs of the site are admitted at a time; ``None``: any number.
    :param limit_per_user: at most so many jobs of one user, in all clusters; ``None``: any number.
    :param limit_per_service: likewise of one service.
    :param limit_per_user_service: likewise of one user in one service.
    """

    batch_size: int = 20
    head_rules: HeadRules = DEFAULT_HEAD_RULES
    fail_impossible: bool = True
    limit: int | None = None
    limit_per_user: int | None = None
    limit_per_service: int | None = None
    limit_per_user_service: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The immutable picture a decision is made from.

    :param jobs: waiting jobs in any order; at least the first ``batch_size`` eligible ones of each pool
        must be here or in ``lines``.
    :param lines: further waiting jobs by (queue, priority pool), each line in the order of
        ``order.fifo_key``. Lines are read from the front, only as far as needed: for a caller that keeps
        them in order and has 100,000 jobs. None of these may be ``unchecked``, and one that is impossible
        is found only when it is head: hand in what is new as ``jobs`` once.
    :param resting: queues that are left as they are, with somebody waiting in each; their jobs may be left
        out. See ``scheduling.resting``.
    """

    clusters: tuple[ClusterView, ...]
    queues: tuple[QueueView, ...]
    jobs: tuple[QueuedJob, ...]
    grants: tuple[Grant, ...] = ()
    rules: Rules = Rules()
    lines: Mapping[tuple[QueueKey, str], Sequence[QueuedJob]] = field(default_factory=dict)
    resting: frozenset[QueueKey] = frozenset()
