# SPDX-License-Identifier: Apache-2.0
"""Quota room: what a namespace's quotas and its queue's declared capacity still let in.

A pod that exceeds a ResourceQuota is refused by the API server, so we count as the quota controller
counts, key by key, and a little more carefully: ``free = hard - max(reported use, own count) - what
grants still charge``. The reported use lags behind the pods we see, our picture of the pods may lag
behind the reported use; the greater of both never promises room that is gone.

Source of the charges: ``pkg/quota/v1/evaluator/core/pods.go`` (``podComputeUsageHelper``: ``cpu`` and
``requests.cpu`` from requests, ``limits.cpu`` from limits, ``requests.`` + name for extended resources,
``pods`` for living pods, ``count/pods`` for all) and, for keys a pod must set, ``Constraints`` there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.scheduling.model import Blocked, Demand, LimitRangeView, QueueView, QuotaView
from airflow_priority_spark.scheduling.order import is_object_key, quota_key_rank, resource_of
from airflow_priority_spark.scheduling.usage import Tally, tally_of

#: A quota that has one of these makes Kubernetes refuse pods that do not set it (``Constraints``).
_MUST_BE_SET: Final = frozenset(
    {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
)
Charges = Sequence[int]


def charge(key: str, tally: Tally) -> int:
    """Return what some pods charge to a quota key (a bare resource of a declared capacity is one too)."""
    if key == "pods":
        return tally.pods
    if key == "count/pods":
        return tally.existing
    if is_object_key(key):
        return max(tally.objects.get(name, 0) for name in _spellings(key))
    if key.startswith("limits."):
        return tally.limits.get(key.removeprefix("limits."), 0)
    return tally.requests.get(key.removeprefix("requests."), 0)


def _spellings(key: str) -> tuple[str, str]:
    """Return both names of an object key: ``services`` is ``count/services``, ``storage`` the requested."""
    if key in ("storage", "requests.storage"):
        return "storage", "requests.storage"
    bare = key.removeprefix("count/")
    return bare, f"count/{bare}"


@dataclass(slots=True)
class Line:
    """One limit of one quota (or declared capacity), and what is left of it; all in base units."""

    key: str
    holder: str
    hard: int
    free: int
    enforced: bool = True

    def blocked(self, needed: int, free: int, holder: str | None = None, detail: str = "") -> Blocked:
        """Return the verdict of a demand this line does not let in."""
        said = self.key if self.key.startswith("limits.") else ""
        clauses = ", ".join(clause for clause in (said, detail) if clause)
        return Blocked(resource_of(self.key), needed, max(0, free), holder or self.holder, clauses)


class QuotaRoom:
    """The working copy of one queue's quota room; ``take`` makes it smaller.

    :param quotas: those of the queue's namespace.
    :param limit_ranges: those of the queue's namespace.
    :param used: what the namespace's pods charge.
    :param promised: what the namespace's grants still charge.
    """

    def __init__(
        self,
        queue: QueueView,
        quotas: Iterable[QuotaView],
        limit_ranges: Iterable[LimitRangeView],
        used: Tally,
        promised: Tally,
    ) -> None:
        self._limit_ranges = sorted(limit_ranges, key=lambda limits: limits.name)
        self._default_limits = default_limits(self._limit_ranges)
        lines = [line for quota in quotas for line in _quota_lines(quota, used, promised)]
        for key, hard in (queue.capacity or {}).items():
            free = hard - charge(key, used) - charge(key, promised)
            holder = f"declared capacity of {queue.key.namespace}"
            lines.append(Line(key, holder, hard, free, enforced=False))
        self.lines = sorted(lines, key=lambda line: (quota_key_rank(line.key), line.holder))

    def charges(self, demand: Demand) -> Charges:
        """Return what a demand charges to each line, in the order of ``lines``."""
        tally = tally_of(demand, self._default_limits)
        return [charge(line.key, tally) for line in self.lines]

    def shortfall(self, charges: Charges) -> Blocked | None:
        """Return the first line, in the precedence of verdicts, that lacks room."""
        for line, needed in zip(self.lines, charges, strict=True):
            if 0 < needed > line.free:
                return line.blocked(needed, line.free)
        return None

    def shortfall_behind(self, charges: Charges, reserved: Charges, job_id: str) -> Blocked | None:
        """Return the first line that lacks room once the protected head ``job_id`` has taken what it needs.

        Where the head is blocked nothing is left, so nobody else gets any; where it is not, its own
        room is kept, or it would be blocked there when its turn comes.
        """
        for line, needed, kept in zip(self.lines, charges, reserved, strict=True):
            if 0 < needed > line.free - kept:
                return line.blocked(needed, line.free - kept, f"what protected head {job_id} leaves")
        return None

    def take(self, charges: Charges) -> None:
        """Charge an admission."""
        for line, amount in zip(self.lines, charges, strict=True):
            line.free -= amount

    def impossible(self, demand: Demand) -> Blocked | None:
        """Return why an empty namespace could not hold a demand, or ``None``."""
        return self._unset(demand) or self._too_big(demand) or self._over_limit_range(demand)

    def _too_big(self, demand: Demand) -> Blocked | None:
        for line, needed in zip(self.lines, self.charges(demand), strict=True):
            if 0 < needed > line.hard:
                return line.blocked(needed, line.hard, detail="even when nothing else runs")
        return None

    def _unset(self, demand: Demand) -> Blocked | None:
        for line in self.lines:
            if not line.enforced or line.key not in _MUST_BE_SET:
                continue
            resource, is_limit = resource_of(line.key), line.key.startswith("limits.")
            kind = "limit" if is_limit else "request"
            for pods in demand.pod_sets:
                given = {**self._default_limits, **pods.limits} if is_limit else pods.requests
                if pods.count > 0 and not given.get(resource, 0):
                    detail = (
                        f"{line.holder} has {line.key}, and the {pods.name} pods set no {resource} {kind}: "
                        f"Kubernetes refuses such pods"
                    )
                    return Blocked(resource, 0, max(0, line.hard), line.holder, detail)
        return None

    def _over_limit_range(self, demand: Demand) -> Blocked | None:
        for limit_range in self._limit_ranges:
            for pods in demand.pod_sets:
                asked = pods.requests.maximum(pods.limits)
                for resource, most in sorted(limit_range.maximum.items(), key=lambda i: quota_key_rank(i[0])):
                    if pods.count > 0 and asked[resource] > most:
                        holder = f"limit range {limit_range.name}"
                        return Blocked(resource, asked[resource], most, holder, f"for one {pods.name} pod")
        return None


def _quota_lines(quota: QuotaView, used: Tally, promised: Tally) -> Iterable[Line]:
    for key in quota.keys | set(quota.hard):
        hard = quota.hard[key]
        free = hard - max(quota.used[key], charge(key, used)) - charge(key, promised)
        yield Line(key, f"quota {quota.name}", hard, free)


def default_limits(limit_ranges: Iterable[LimitRangeView]) -> Mapping[str, int]:
    """Return the limits that a namespace's limit ranges give to a container that sets none.

    Source: ``pkg/apis/core/v1/defaults.go`` (``SetDefaults_LimitRangeItem``: the default limit is the
    maximum where only that is given).
    """
    defaults: dict[str, int] = {}
    for limit_range in limit_ranges:
        defaults.update({**limit_range.maximum, **limit_range.default_limits})
    return defaults
