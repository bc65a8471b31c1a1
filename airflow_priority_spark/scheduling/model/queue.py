# SPDX-License-Identifier: Apache-2.0
"""Queues, their priority pools, who waits in them and who holds capacity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from airflow_priority_spark.scheduling.model.decisions import PoolState
from airflow_priority_spark.scheduling.model.demand import Demand
from airflow_priority_spark.scheduling.model.names import Ineligible, QueueKey
from airflow_priority_spark.scheduling.resources import Resources


@dataclass(frozen=True, slots=True)
class HeadRules:
    """What happens to a head that capacity blocks for long.

    :param timeout_seconds: so long the head may be blocked before it is retried, cancelled or held;
        0 or less: for ever.
    :param retry_count: so many times its clock is restarted first.
    :param retry_position: a retry keeps the job's position, or moves it to the tail of its pool.
    :param timeout_action: what is done once no retry is left.
    :param protection_seconds: blocked longer than this, it protects its blocking resource.
    """

    timeout_seconds: float = 3600.0
    retry_count: int = 0
    retry_position: Literal["keep", "tail"] = "keep"
    timeout_action: Literal["cancel", "hold"] = "cancel"
    protection_seconds: float = 300.0


DEFAULT_HEAD_RULES: Final = HeadRules()


@dataclass(frozen=True, slots=True)
class PoolView:
    """A priority pool as the decision sees it; what it remembers is what ``PoolState`` said last time.

    :param credit: of the smooth weighted round robin, kept between cycles.
    :param head_id: the job that was head when last looked at, and since when it has been blocked by
        capacity (``None``: it was not).
    :param head_timeout_since: see ``PoolState``, as for the next two.
    :param head_rules: the pool's or its queue's own; ``None``: the site's (``Rules.head_rules``).
    :param limit: at most so many of its jobs are admitted at a time; ``None``: any number.
    """

    name: str
    weight: int
    credit: int = 0
    head_id: str | None = None
    head_blocked_since: float | None = None
    head_timeout_since: float | None = None
    head_clock_paused_at: float | None = None
    head_warned: int = 0
    head_rules: HeadRules | None = None
    limit: int | None = None

    def state(self) -> PoolState:
        """Return what the pool remembers; equal to the decision's ``PoolState`` when nothing changed."""
        return PoolState(
            self.credit,
            self.head_id,
            self.head_blocked_since,
            self.head_timeout_since,
            self.head_clock_paused_at,
            self.head_warned,
        )

    def with_state(self, state: PoolState) -> PoolView:
        """Return the pool as it is once a decision's ``PoolState`` is what it remembers."""
        return replace(
            self,
            credit=state.credit,
            head_id=state.head_id,
            head_blocked_since=state.head_blocked_since,
            head_timeout_since=state.head_timeout_since,
            head_clock_paused_at=state.head_clock_paused_at,
            head_warned=state.head_warned,
        )


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue as the decision sees it.

    :param capacity: declared by the site for a namespace without quota; quota keys or bare resources.
    :param policy: ``weighted`` (smooth weighted round robin) or ``strict`` (higher weight first).
    :param paused: intake goes on, nothing is admitted.
    :param limit: at most so many of its jobs are admitted at a time; ``None``: any number.
    """

    key: QueueKey
    pools: tuple[PoolView, ...]
    weight: int = 1
    policy: Literal["weighted", "strict"] = "weighted"
    paused: bool = False
    capacity: Resources | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that waits.

    :param position: its place in its pool: (instant of enqueueing, trigger id); ties end on ``job_id``.
    :param ineligible: a reason known outside the decision; such a job is passed over. Leave it ``None``
        for a paused queue and for limits: the decision finds these itself and the head keeps its clock.
    :param unchecked: admitted whatever the capacity is (the ``observe`` flow, an adopted application).
    :param readmission: a re-admission after a reschedule; charges no credit.
    :param user: who started it; empty: unknown, and no limit per user counts it.
    :param service: the job template or DAG tag it belongs to; empty: none, and no limit counts it.
    :param head_retries: how many times its head clock has been restarted.
    """

    job_id: str
    queue: QueueKey
    pool: str
    position: tuple[float, int]
    demand: Demand
    ineligible: Ineligible | None = None
    ineligible_detail: str = ""
    unchecked: bool = False
    readmission: bool = False
    user: str = ""
    service: str = ""
    head_retries: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Capacity promised to an admitted job, until it has ended and its pods are gone.

    :param pool: for limits, as the next two, which mean what they do for a ``QueuedJob``.
    """

    job_id: str
    queue: QueueKey
    demand: Demand
    pool: str = ""
    user: str = ""
    service: str = ""
