# SPDX-License-Identifier: Apache-2.0
"""What a refusal by Kubernetes teaches.

The picture said there was room, and the API server's quota said no: somebody else was faster, or a pod is
larger than its job declared (an admission webhook adds a container). The refusal carries numbers, and the
next decision must use them, or it would admit the same job into the same refusal until it gives up:

- *used*: for a while the quota counts as used at least as the refusal said, until its own report changes;
- *requested*: what one pod really asks for becomes part of the job's demand.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import (
    NO_RESOURCES,
    ClusterView,
    Demand,
    PodSet,
    QueueKey,
    QuotaView,
)
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.front import WaitingRow

#: Source of the text: kubernetes plugin/pkg/admission/resourcequota/controller.go, ``CheckRequest``.
_REFUSAL: Final = re.compile(
    r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<requested>\S+), "
    r"used: (?P<used>\S+), limited: (?P<limited>[^\s;]+)"
)
_POD: Final = re.compile(r'pods "(?P<name>[^"]+)" is forbidden')


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the API server said; amounts by the quota's own keys (``requests.cpu``).

    :param pod: name of the refused pod; empty when it was something else.
    """

    quota: str
    requested: Resources
    used: Resources
    pod: str = ""
    limited: Resources = NO_RESOURCES


def read_refusal(text: str) -> Refusal | None:
    """Find a refusal by a quota in a text; ``None`` when there is none that can be read."""
    found = _REFUSAL.search(text)
    if found is None:
        return None
    pod = _POD.search(text)
    try:
        requested, used, limited = (_amounts(found[name]) for name in ("requested", "used", "limited"))
    except InvalidInput:
        return None
    return Refusal(found["quota"], requested, used, pod["name"] if pod else "", limited)


def _amounts(text: str) -> Resources:
    pairs = (part.partition("=")[::2] for part in text.rstrip(".,").split(",") if "=" in part)
    return Resources.parse(dict(pairs))


def learned_demand(demand: Demand, refusal: Refusal) -> Demand:
    """Return the demand with the refused pod as large as it really is; unchanged when it was no larger."""
    if not refusal.pod:
        return demand
    name = "driver" if refusal.pod.endswith("-driver") else "executor"
    return replace(
        demand,
        pod_sets=tuple(_grown(pods, refusal) if pods.name == name else pods for pods in demand.pod_sets),
    )


def _grown(pods: PodSet, refusal: Refusal) -> PodSet:
    requests, limits = dict(pods.requests), dict(pods.limits)
    for key, amount in refusal.requested.items():
        if key.startswith("limits."):
            resource, known = key.removeprefix("limits."), limits
        else:
            resource, known = key.removeprefix("requests."), requests
        if resource in known and amount > known[resource]:
            known[resource] = amount
    return replace(pods, requests=Resources(requests), limits=Resources(limits))


class Learned:
    """What refusals said of quotas, for as long as it may hold.

    It follows from the waiting jobs' reasons, so another arbiter learns it again; only what each quota
    reported when we first heard of a refusal is remembered here.

    :param seconds: from the job's return on.
    """

    def __init__(self, seconds: float) -> None:
        self._for = datetime.timedelta(seconds=seconds)
        self._reports: dict[tuple[QueueKey, str, datetime.datetime], Resources] = {}

    def overlay(
        self,
        views: Mapping[str, ClusterView],
        jobs: Iterable[tuple[QueueKey, WaitingRow]],
        now: datetime.datetime,
    ) -> Mapping[str, ClusterView]:
        """Return the pictures with quotas as used as refusals said."""
        said = self._said(jobs, now)
        self._reports = {key: report for key, report in self._reports.items() if key in said}
        changed: dict[str, ClusterView] = {}
        for key, refusal in said.items():
            queue = key[0]
            view = changed.get(queue.cluster_id) or views.get(queue.cluster_id)
            if view is not None:
                changed[queue.cluster_id] = replace(
                    view,
                    quotas=tuple(
                        self._corrected(quota, key, refusal)
                        if (quota.namespace, quota.name) == (queue.namespace, refusal.quota)
                        else quota
                        for quota in view.quotas
                    ),
                )
        return {**views, **changed} if changed else views

    def _said(
        self, jobs: Iterable[tuple[QueueKey, WaitingRow]], now: datetime.datetime
    ) -> dict[tuple[QueueKey, str, datetime.datetime], Refusal]:
        said = {}
        for queue, job in jobs:
            if job.reschedules and now - job.deferred_at < self._for:
                refusal = read_refusal(job.reason)
                if refusal is not None:
                    said[queue, refusal.quota, job.deferred_at] = refusal
        return said

    def _corrected(
        self, quota: QuotaView, key: tuple[QueueKey, str, datetime.datetime], refusal: Refusal
    ) -> QuotaView:
        if self._reports.setdefault(key, quota.used) != quota.used:
            return quota
        used = {name: max(amount, refusal.used.get(name, 0)) for name, amount in quota.used.items()}
        missing = {name: amount for name, amount in refusal.used.items() if name not in used}
        return replace(quota, used=Resources({**used, **missing}))
