# SPDX-License-Identifier: Apache-2.0
"""The decision: who starts, who cannot and why, and what the pools must remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from airflow_priority_spark.scheduling.model.names import Ineligible, QueueKey
from airflow_priority_spark.scheduling.resources import format_needed_and_free


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a job cannot start now.

    :param resource: the blocking resource: a quota key's resource (``cpu``, ``memory``, ``pods``,
        ``storage``, ``ephemeral-storage``, an extended resource, another quota key) or ``placement``.
    :param needed: in the resource's base unit; pods of the set that does not fit, for ``placement``.
    :param free: in the resource's base unit; how many of those pods fit, for ``placement``.
    :param holder: whose limit it is, e.g. ``quota team-a``, ``declared capacity of team-a``, ``nodes``,
        ``limit range small``, ``protected head JOB``.
    :param detail: one more clause for people (e.g. why no node fits).
    :param by_nodes: nodes are missing, not quota; on elastic nodes no timeout clock runs for it.
    """

    resource: str
    needed: int
    free: int
    holder: str
    detail: str = ""
    by_nodes: bool = False


@dataclass(frozen=True, slots=True)
class Impossible:
    """A demand that no state of the queue could satisfy; ``why`` is its verdict against an empty queue."""

    why: Blocked


@dataclass(frozen=True, slots=True)
class Admission:
    """A job that starts now; admissions are listed in the order in which they were made."""

    job_id: str
    queue: QueueKey
    pool: str


class PoolState(NamedTuple):
    """What a pool must remember until the next cycle.

    :param credit: of the smooth weighted round robin.
    :param head_id: who is head.
    :param head_blocked_since: since when it has been blocked by capacity; ``None``: it is not.
    :param head_timeout_since: start of its timeout clock, moved forward over the times the clock stood
        still; ``None``: the clock has not started.
    :param head_clock_paused_at: since when the clock stands still; ``None``: it runs, or has not started.
    :param head_warned: the last warning given, in percent of the timeout: 0, 50 or 80.
    """

    credit: int
    head_id: str | None
    head_blocked_since: float | None
    head_timeout_since: float | None = None
    head_clock_paused_at: float | None = None
    head_warned: int = 0


@dataclass(frozen=True, slots=True)
class HeadTimeout:
    """A head that capacity has blocked for too long, and what to do with it.

    :param action: ``retry``: count one retry (its pool's clock has been restarted); ``cancel`` or
        ``hold`` it, with ``describe_timeout`` as the reason.
    :param position: for ``retry``: it keeps its position, or goes to the tail of its pool.
    :param reason_seconds: how long its clock ran.
    :param why: what it is blocked by.
    """

    job_id: str
    queue: QueueKey
    pool: str
    action: Literal["retry", "cancel", "hold"]
    position: Literal["keep", "tail"]
    reason_seconds: float
    why: Blocked


@dataclass(frozen=True, slots=True)
class HeadWarning:
    """A head that will time out if nothing changes; said once at half and once at 80 % of the time.

    :param percent: 50 or 80.
    :param seconds: how long its clock has run.
    """

    job_id: str
    queue: QueueKey
    pool: str
    percent: int
    seconds: float
    why: Blocked


@dataclass(frozen=True, slots=True)
class Decisions:
    """What to do, to be applied by the caller.

    :param blocked: heads (and whoever a protected head holds back) with their binding constraint.
    :param impossible: jobs to fail now.
    :param pools: the new credits and head clocks of every pool of the snapshot.
    :param observed: for unchecked jobs that were admitted although they did not fit, what would have
        blocked them.
    :param timed_out: heads to be retried, cancelled or held.
    :param warnings: heads that are on the way there.
    :param ineligible: jobs that a limit or a paused queue keeps from being looked at, with a clause that
        says which; jobs behind them in line are not listed.
    """

    admissions: tuple[Admission, ...]
    blocked: Mapping[str, Blocked]
    impossible: Mapping[str, Impossible]
    pools: Mapping[tuple[QueueKey, str], PoolState]
    observed: Mapping[str, Blocked] = field(default_factory=dict)
    timed_out: tuple[HeadTimeout, ...] = ()
    warnings: tuple[HeadWarning, ...] = ()
    ineligible: Mapping[str, tuple[Ineligible, str]] = field(default_factory=dict)


def describe_blocked(verdict: Blocked) -> str:
    """Say a verdict in one sentence with numbers, e.g. ``memory: needs 96 GiB, 40 GiB free of quota team-a``.

    Where two numbers do not say it (no node has the label, the namespace does not exist, a limit is
    not set) the detail is the whole sentence.
    """
    if verdict.resource == "namespace":
        return verdict.detail
    if verdict.detail and (verdict.resource == "placement" or not verdict.needed):
        return f"{verdict.resource}: {verdict.detail}"
    needed, free = format_needed_and_free(verdict.resource, verdict.needed, max(0, verdict.free))
    sentence = f"{verdict.resource}: needs {needed}, {free} free of {verdict.holder}"
    return f"{sentence} ({verdict.detail})" if verdict.detail else sentence


def describe_timeout(found: HeadTimeout | HeadWarning) -> str:
    """Say how long a head has been blocked and by what, with numbers.

    E.g. ``blocked at the head of team-a/high for 3600 s by memory: needs 96 GiB, 40 GiB free of
    quota team-a``.
    """
    seconds = found.reason_seconds if isinstance(found, HeadTimeout) else found.seconds
    place = f"{found.queue.namespace}/{found.pool}"
    return f"blocked at the head of {place} for {seconds:.0f} s by {describe_blocked(found.why)}"
