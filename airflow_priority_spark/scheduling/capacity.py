# SPDX-License-Identifier: Apache-2.0
"""Quota room: what a namespace's quotas and its queue's declared capacity still let in.

A pod that exceeds a ResourceQuota is refused by the API server, so we count as the quota controller
counts, key by key, and a little more carefully: ``free = hard - max(reported use, own count) - what
grants still charge``. The reported use lags behind the pods we see, our picture of the pods may lag
behind the reported use; the greater of both never promises room that is gone.

``QuotaRules`` is what does not change with the pods (limits, scopes, what limit ranges fill in), and
remembers what it found out about a demand; ``QuotaRoom`` is the working copy of one decision.

Source of the charges: ``pkg/quota/v1/evaluator/core/pods.go`` (``podComputeUsageHelper``: ``cpu`` and
``requests.cpu`` from requests, ``limits.cpu`` from limits, ``requests.`` + name for extended resources,
``pods`` for living pods, ``count/pods`` for all) and, for keys a pod must set, ``Constraints`` there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from airflow_priority_spark.scheduling import limitranges
from airflow_priority_spark.scheduling.model import (
    NO_RESOURCES,
    Blocked,
    Demand,
    LimitRangeView,
    QuotaScope,
    QuotaView,
)
from airflow_priority_spark.scheduling.order import is_object_key, quota_key_rank, resource_of
from airflow_priority_spark.scheduling.scopes import counted, counts, describe_scopes
from airflow_priority_spark.scheduling.usage import Tallies, Tally, classed, tallies_of

#: A quota that has one of these makes Kubernetes refuse pods that do not set it (``Constraints``).
_MUST_BE_SET: Final = frozenset(
    {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
)
#: What is remembered about demands is forgotten when there are so many of them.
_MOST_REMEMBERED: Final = 20_000
Charges = Sequence[int]


def charge(key: str, tally: Tally, objects: Mapping[str, int] = NO_RESOURCES) -> int:
    """Return what some pods and objects charge to a quota key, or to a bare resource."""
    if key == "pods":
        return tally.pods
    if key == "count/pods":
        return tally.existing
    if is_object_key(key):
        return max(objects.get(name, 0) for name in _spellings(key))
    if key.startswith("limits."):
        return tally.limits.get(key.removeprefix("limits."), 0)
    return tally.requests.get(key.removeprefix("requests."), 0)


def _spellings(key: str) -> tuple[str, str]:
    """Return both names of an object key: ``services`` is ``count/services``, ``storage`` the requested."""
    if key in ("storage", "requests.storage"):
        return "storage", "requests.storage"
    bare = key.removeprefix("count/")
    return bare, f"count/{bare}"


class Line(NamedTuple):
    """One limit of one quota (or declared capacity), in base units.

    :param enforced: by the API server; a declared capacity is ours alone.
    """

    key: str
    holder: str
    hard: int
    scopes: tuple[QuotaScope, ...] = ()
    enforced: bool = True

    def blocked(self, needed: int, free: int, holder: str | None = None, detail: str = "") -> Blocked:
        """Return the verdict of a demand this line does not let in."""
        said = self.key if self.key.startswith("limits.") else ""
        scoped = f"for pods of {describe_scopes(self.scopes)}" if self.scopes else ""
        clauses = ", ".join(clause for clause in (said, scoped, detail) if clause)
        return Blocked(resource_of(self.key), needed, max(0, free), holder or self.holder, clauses)


class QuotaRules:
    """What limits one namespace, whatever runs in it.

    :param quotas: those of the namespace.
    :param limit_ranges: those of the namespace.
    :param capacity: declared by the site for its queue; quota keys or bare resources.
    :param default_class: the priority class of pods that name none.
    """

    def __init__(
        self,
        namespace: str,
        quotas: Iterable[QuotaView],
        limit_ranges: Iterable[LimitRangeView],
        capacity: Mapping[str, int] | None,
        default_class: str = "",
    ) -> None:
        self._ranges = sorted(limit_ranges, key=lambda found: found.name)
        self._default_class = default_class
        lines = [line for quota in quotas for line in _quota_lines(quota)]
        holder = f"declared capacity of {namespace}"
        lines += [Line(key, holder, hard, enforced=False) for key, hard in (capacity or {}).items()]
        self.lines = sorted(lines, key=lambda line: (quota_key_rank(line.key), line.holder))
        self._filled: dict[Demand, Demand] = {}
        self._charges: dict[Demand, Charges] = {}
        self._impossible: dict[Demand, Blocked | None] = {}

    def filled(self, demand: Demand) -> Demand:
        """Return a demand with what the namespace's limit ranges give to its containers."""
        if not self._ranges:
            return demand
        if demand not in self._filled:
            self._make_room()
            self._filled[demand] = limitranges.filled(demand, self._ranges)
        return self._filled[demand]

    def charges(self, demand: Demand) -> Charges:
        """Return what a demand charges to each line, in the order of ``lines``."""
        found = self._charges.get(demand)
        if found is None:
            self._make_room()
            tallies = tallies_of(self.filled(demand), self._default_class)
            found = self._charges[demand] = self.charged(tallies, demand.objects)
        return found

    def charged(self, tallies: Tallies, objects: Mapping[str, int]) -> list[int]:
        """Return what pods and objects charge to each line."""
        merged: dict[tuple[QuotaScope, ...], Tally] = {}
        result = []
        for line in self.lines:
            if line.scopes not in merged:
                merged[line.scopes] = counted(tallies, line.scopes)
            result.append(charge(line.key, merged[line.scopes], objects))
        return result

    def impossible(self, demand: Demand) -> Blocked | None:
        """Return why an empty namespace could not hold a demand, or ``None``."""
        if demand not in self._impossible:
            self._make_room()
            whole = self.filled(demand)
            self._impossible[demand] = (
                self._unset(whole) or self._too_big(demand) or limitranges.refusal(whole, self._ranges)
            )
        return self._impossible[demand]

    def _make_room(self) -> None:
        for remembered in (self._filled, self._charges, self._impossible):
            if len(remembered) >= _MOST_REMEMBERED:
                remembered.clear()

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
                given = pods.limits if is_limit else pods.requests
                counted_here = pods.count > 0 and counts(
                    line.scopes, classed(pods.scope, self._default_class)
                )
                if counted_here and not given.get(resource, 0):
                    detail = (
                        f"{line.holder} has {line.key}, and the {pods.name} pods set no {resource} {kind}: "
                        f"Kubernetes refuses such pods"
                    )
                    return Blocked(resource, 0, max(0, line.hard), line.holder, detail)
        return None


class QuotaRoom:
    """The working copy of one queue's quota room; ``take`` makes it smaller.

    :param used: what the namespace's pods charge.
    :param reported: per line, the use that the quota's status reports.
    :param promised: what the namespace's grants still charge, and the objects they do.
    """

    def __init__(
        self,
        rules: QuotaRules,
        used: Tallies,
        reported: Mapping[tuple[str, str], int],
        promised: Tallies,
        objects: Mapping[str, int],
    ) -> None:
        self._rules = rules
        pods, kept = rules.charged(used, {}), rules.charged(promised, objects)
        self._free = [
            line.hard - max(reported.get((line.holder, line.key), 0), mine) - still
            for line, mine, still in zip(rules.lines, pods, kept, strict=True)
        ]

    def charges(self, demand: Demand) -> Charges:
        """Return what a demand charges to each line."""
        return self._rules.charges(demand)

    def shortfall(self, charges: Charges) -> Blocked | None:
        """Return the first line, in the precedence of verdicts, that lacks room."""
        for index, needed in enumerate(charges):
            if 0 < needed > self._free[index]:
                return self._rules.lines[index].blocked(needed, self._free[index])
        return None

    def shortfall_behind(self, charges: Charges, reserved: Charges, job_id: str) -> Blocked | None:
        """Return the first line that lacks room once the protected head ``job_id`` has taken what it needs.

        Where the head is blocked nothing is left, so nobody else gets any; where it is not, its own
        room is kept, or it would be blocked there when its turn comes.
        """
        for index, (needed, kept) in enumerate(zip(charges, reserved, strict=True)):
            left = self._free[index] - kept
            if 0 < needed > left:
                holder = f"what protected head {job_id} leaves"
                return self._rules.lines[index].blocked(needed, left, holder)
        return None

    def take(self, charges: Charges) -> None:
        """Charge an admission."""
        for index, amount in enumerate(charges):
            self._free[index] -= amount


def _quota_lines(quota: QuotaView) -> Iterator[Line]:
    for key in quota.keys | set(quota.hard):
        yield Line(key, f"quota {quota.name}", quota.hard[key], quota.scopes)


def reported_use(quotas: Iterable[QuotaView]) -> dict[tuple[str, str], int]:
    """Return (holder, key) → what the status of a namespace's quotas reports."""
    return {(f"quota {quota.name}", key): amount for quota in quotas for key, amount in quota.used.items()}
