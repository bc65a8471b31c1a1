# SPDX-License-Identifier: Apache-2.0
"""What a namespace's limit ranges make of a pod: what they fill in, and what they refuse.

A limit range is the quiet trap of many clusters: it gives a driver without a CPU limit one of one
CPU, and the API server then refuses the driver because it asks for four. So what a job will really
ask for is worked out first, container by container, and quotas and nodes are charged with that.

Sources: ``plugin/pkg/admission/limitranger/admission.go`` (``mergePodResourceRequirements``,
``PodValidateLimitFunc``; amounts of type ``Pod`` leave the runtime's overhead out) and
``ValidateContainerResourceRequirements`` in ``pkg/apis/core/validation`` (a request may not exceed its
limit). Which of two defaults for the same resource wins is not defined there; here the limit range
that comes first by name does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from airflow_priority_spark.scheduling.model import (
    NO_RESOURCES,
    Blocked,
    Container,
    Demand,
    LimitItem,
    LimitRangeView,
    PodSet,
)
from airflow_priority_spark.scheduling.order import quota_key_rank
from airflow_priority_spark.scheduling.resources import Resources, format_amount


def containers_of(pods: PodSet) -> tuple[Container, ...]:
    """Return the containers of one pod; a pod set that names none has one."""
    return pods.containers or (Container(pods.name, pods.requests, pods.limits),)


def together(containers: Iterable[Container], of: Callable[[Container], Resources]) -> Resources:
    """Return what the containers of a pod ask for together (``PodRequests`` in component-helpers).

    :param of: a container's requests or its limits.
    """
    running, peak = NO_RESOURCES, NO_RESOURCES
    ordered = sorted(containers, key=lambda container: container.kind == "")
    for container in ordered:
        if container.kind == "init":
            peak = peak.maximum(running + of(container))
            continue
        running = running + of(container)
        if container.kind == "sidecar":
            peak = peak.maximum(running)
    return running.maximum(peak)


def _requests(container: Container) -> Resources:
    return container.requests


def _limits(container: Container) -> Resources:
    return container.limits


def filled(demand: Demand, ranges: Sequence[LimitRangeView]) -> Demand:
    """Return a demand with what the limit ranges of its namespace give to its containers."""
    items = [item for found in ranges for item in found.items if item.kind == "Container"]
    if not any(item.default_limits or item.default_requests for item in items):
        return demand
    pod_sets = tuple(_filled_set(pods, items) for pods in demand.pod_sets)
    return demand if pod_sets == demand.pod_sets else replace(demand, pod_sets=pod_sets)


def _filled_set(pods: PodSet, items: Sequence[LimitItem]) -> PodSet:
    before = containers_of(pods)
    after = tuple(_filled_container(container, items) for container in before)
    if after == before:
        return pods
    scope = pods.scope
    if scope.best_effort and any(
        part.get(name, 0)
        for one in after
        for part in (one.requests, one.limits)
        for name in ("cpu", "memory")
    ):
        scope = scope._replace(best_effort=False)
    return replace(
        pods,
        requests=_shifted(pods.requests, before, after, _requests),
        limits=_shifted(pods.limits, before, after, _limits),
        containers=after,
        scope=scope,
    )


def _filled_container(container: Container, items: Sequence[LimitItem]) -> Container:
    requests, limits = container.requests.as_dict(), container.limits.as_dict()
    for item in items:
        requests = {**item.default_requests.as_dict(), **requests}
        limits = {**item.default_limits.as_dict(), **limits}
    return container._replace(requests=Resources(requests), limits=Resources(limits))


def _shifted(
    whole: Resources,
    before: Iterable[Container],
    after: Iterable[Container],
    of: Callable[[Container], Resources],
) -> Resources:
    """Return a pod's amount after its containers' have grown; what is beside them (overhead) stays."""
    return (whole - together(before, of) + together(after, of)).clamped()


def refusal(demand: Demand, ranges: Sequence[LimitRangeView]) -> Blocked | None:
    """Return why the API server refuses pods of a demand that is filled in, whatever else runs."""
    for pods in demand.pod_sets:
        if pods.count > 0:
            for found in ranges:
                for verdict in _refusals(pods, found):
                    return verdict
            contradiction = _request_over_limit(pods, ranges) if ranges else None
            if contradiction is not None:
                return contradiction
    return None


def _refusals(pods: PodSet, limit_range: LimitRangeView) -> Iterator[Blocked]:
    holder, containers = f"limit range {limit_range.name}", containers_of(pods)
    for item in limit_range.items:
        if item.kind == "Container":
            for container in containers:
                what = f"one {pods.name} container"
                if len(containers) > 1:
                    what = f"container {container.name} of a {pods.name} pod"
                yield from _outside(item, holder, what, container.requests, container.limits)
        else:
            sums = together(containers, _requests), together(containers, _limits)
            yield from _outside(item, holder, f"one {pods.name} pod", *sums)


def _outside(
    item: LimitItem, holder: str, what: str, requests: Resources, limits: Resources
) -> Iterator[Blocked]:
    names = {*item.maximum, *item.minimum, *(name for name, _ in item.ratios)}
    ratios = dict(item.ratios)
    for name in sorted(names, key=quota_key_rank):
        asked, limit = requests[name], limits[name]
        if name in item.maximum:
            yield from _above(name, holder, what, item.maximum[name], asked, limit)
        if name in item.minimum:
            yield from _below(name, holder, what, item.minimum[name], asked, limit)
        if name in ratios and (not asked or not limit or limit > ratios[name] * asked):
            given = f"{format_amount(name, limit)} over {format_amount(name, asked)}"
            detail = (
                f"{holder} lets the {name} limit of {what} be at most {float(ratios[name]):g} times its "
                f"request, and it is {given if asked and limit else 'not set'}: Kubernetes refuses such pods"
            )
            yield Blocked(name, 0, 0, holder, detail)


def _above(name: str, holder: str, what: str, most: int, asked: int, limit: int) -> Iterator[Blocked]:
    if not limit:
        detail = f"{holder} has a maximum, and {what} sets no {name} limit: Kubernetes refuses such pods"
        yield Blocked(name, 0, most, holder, detail)
    elif max(asked, limit) > most:
        yield Blocked(name, max(asked, limit), most, holder, f"for {what}")


def _below(name: str, holder: str, what: str, least: int, asked: int, limit: int) -> Iterator[Blocked]:
    given = min(asked, limit) if limit else asked
    if given < least:
        said = f"asks for {format_amount(name, given)}" if given else "asks for none"
        detail = (
            f"{what} {said}, and {holder} has a minimum of {format_amount(name, least)}: "
            f"Kubernetes refuses such pods"
        )
        yield Blocked(name, 0, 0, holder, detail)


def _request_over_limit(pods: PodSet, ranges: Sequence[LimitRangeView]) -> Blocked | None:
    for container in containers_of(pods):
        for name in sorted(container.limits, key=quota_key_rank):
            if container.requests[name] > container.limits[name]:
                holder = f"limit range {_giver(ranges, name)}"
                limit, asked = (
                    format_amount(name, part[name]) for part in (container.limits, container.requests)
                )
                detail = (
                    f"{holder} gives the {pods.name} pods a {name} limit of {limit}, less than the {asked} "
                    f"they ask for: Kubernetes refuses such pods"
                )
                return Blocked(name, 0, 0, holder, detail)
    return None


def _giver(ranges: Sequence[LimitRangeView], resource: str) -> str:
    names = [
        found.name
        for found in ranges
        if any(resource in item.default_limits for item in found.items if item.kind == "Container")
    ]
    return names[0] if names else ranges[0].name
