# SPDX-License-Identifier: Apache-2.0
"""What a SparkApplication asks of its cluster, to the byte.

The queue admits a job only when the driver *and* all executors fit; a demand that is a few MiB short
is a deadlock, one that is too large is idle capacity. So the numbers follow Spark's own code, the
operator's and Kubernetes', and each comes with the field that decided it. The rules are in ``sizing``
(Spark's container), ``pods`` (what is beside it), ``executors`` (how many), ``volumes``, ``objects`` and
``constraints``, each naming its sources; here they are put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from airflow_priority_spark.scheduling.model import NO_RESOURCES, Demand, PodSet
from airflow_priority_spark.scheduling.resources import (
    CPU,
    MEMORY,
    PODS,
    Resources,
    format_amount,
    format_needed_and_free,
)
from airflow_priority_spark.spark.constraints import (
    affinity,
    node_selector,
    pod_labels,
    scope,
    tolerations,
)
from airflow_priority_spark.spark.executors import DEFAULT_EXECUTORS, RESERVES, Reserve, executor_count
from airflow_priority_spark.spark.objects import quota_objects
from airflow_priority_spark.spark.pods import Overheads, pod_amounts
from airflow_priority_spark.spark.reading import Reading, Role
from airflow_priority_spark.spark.volumes import volume_claims

__all__ = [
    "DEFAULT_EXECUTORS",
    "RESERVES",
    "DemandResult",
    "Reserve",
    "compute_demand",
    "demand_document",
    "describe_demand",
    "excess",
]

#: Settings under which executors grow after they have started: Spark's key → what then happens.
_GROWING: Final = {
    "spark.kubernetes.executor.resizeInterval": "executors may ask for more memory while they run",
    "spark.kubernetes.executor.pvc.resizeInterval": "volume claims may ask for more while they are used",
}
#: Proposed for Spark 4.2 (https://github.com/apache/spark/pull/53190): a request below the overhead.
_BURSTY: Final = "spark.executor.memoryOverheadBursty.enabled"


@dataclass(frozen=True, slots=True)
class DemandResult:
    """A demand and where its numbers come from.

    :param explain: one line per number, naming the field that decided it.
    :param warnings: what an author should know, e.g. that later executors are not reserved.
    :param claims: what the volume claims of one pod charge, by pod set; the demand's objects have the sum.
    """

    demand: Demand
    explain: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    claims: Mapping[str, Resources] = field(default_factory=dict)


def compute_demand(
    manifest: Mapping[str, Any],
    *,
    reserve: Reserve = "initial",
    spark_version: str | None = None,
    runtime_class_overhead: Overheads | None = None,
) -> DemandResult:
    """Return what a SparkApplication asks for.

    :param manifest: the whole SparkApplication.
    :param reserve: how many executors to reserve under dynamic allocation.
    :param spark_version: whose rules apply, e.g. ``4.0``; default: the manifest's ``sparkVersion``.
    :param runtime_class_overhead: what each RuntimeClass adds to a pod, by its name; one that is not
        given is warned about, because it is an object of the cluster and not of the manifest.
    :raises InvalidManifest: an impossible size, naming the field.
    :raises InvalidMemoryString: a field that is no Spark memory string.
    :raises InvalidQuantity: a field that is no Kubernetes quantity.
    """
    spec = manifest.get("spec") or {}
    reading = Reading.of(spec, spark_version or spec.get("sparkVersion") or "")
    overheads = runtime_class_overhead or {}
    counts: dict[Role, int] = {"driver": 1, "executor": executor_count(reading, reserve)}
    pod_sets = tuple(_pod_set(reading, role, count, overheads) for role, count in counts.items())
    claims: dict[str, Resources] = {role: volume_claims(reading, role) for role in counts}
    objects = quota_objects(reading)
    for role, count in counts.items():
        objects = objects + claims[role] * count
    _warn(reading)
    return DemandResult(Demand(pod_sets, objects), tuple(reading.explain), tuple(reading.warnings), claims)


def _pod_set(reading: Reading, role: Role, count: int, overheads: Overheads) -> PodSet:
    amounts = pod_amounts(reading, role, overheads)
    return PodSet(
        name=role,
        count=count,
        requests=amounts.requests,
        limits=amounts.limits,
        node_selector=node_selector(reading, role),
        tolerations=tolerations(reading, role),
        affinity=affinity(reading, role),
        labels=tuple(sorted(pod_labels(reading, role).items())),
        containers=amounts.containers,
        scope=scope(reading, role),
    )


def _warn(reading: Reading) -> None:
    """Say what the numbers leave out, or what the manifest asks for in vain."""
    for role in ("driver", "executor"):
        for name in ("podTemplateFile", "podTemplateContainerName"):
            template = reading.conf.get(f"spark.kubernetes.{role}.{name}")
            if template is not None:
                reading.warnings.append(
                    f"{template.source}: the Spark operator replaces it; write the template into "
                    f"spec.{role}.template"
                )
    master = reading.conf.get("spark.master")
    if master is not None:
        reading.warnings.append(
            f"{master.source}: the Spark operator replaces it; for a driver without executors set "
            "spec.driver.kubernetesMaster to local[*]"
        )
    if reading.conf.flag(_BURSTY):
        reading.warnings.append(
            f"spec.sparkConf[{_BURSTY}]: executors may request less than their overhead; all is reserved"
        )
    for key, what in _GROWING.items():
        growing = reading.conf.get(key)
        if growing is not None and str(growing.value).strip() not in ("0", "0s", "0m"):
            reading.warnings.append(f"{growing.source}: {what}; the growth is not reserved")


def describe_demand(demand: Demand) -> str:
    """Say a demand in one line, e.g. ``1 driver of 1 CPU and 896 MiB, 2 executors of …``."""
    parts = []
    for pods in demand.pod_sets:
        name = pods.name if pods.count == 1 else f"{pods.name}s"
        amounts = " and ".join(format_amount(what, amount) for what, amount in pods.requests.items())
        parts.append(f"{pods.count} {name} of {amounts}")
    total = demand.total()
    whole = ", ".join(format_amount(what, amount) for what, amount in total.items() if what != PODS)
    return f"{', '.join(parts)}; together {total[PODS]} pods, {whole}"


def demand_document(result: DemandResult) -> dict[str, Any]:
    """Return a demand as plain data for programs: CPU in millicores, bytes, counts."""
    document: dict[str, Any] = {}
    claimed = Resources()
    for pods in result.demand.pod_sets:
        claims = result.claims.get(pods.name, NO_RESOURCES)
        claimed = claimed + claims * pods.count
        document[pods.name] = {"count": pods.count, **_amounts(pods.requests + claims)}
    total = result.demand.total()
    document["total"] = {"pods": total[PODS], **_amounts(total + claimed)}
    document["explain"] = list(result.explain)
    document["warnings"] = list(result.warnings)
    return document


def _amounts(requests: Resources) -> dict[str, Any]:
    others = {name: amount for name, amount in requests.items() if name not in (CPU, MEMORY, PODS)}
    return {"cpu_millis": requests[CPU], "memory_bytes": requests[MEMORY], "resources": others}


def excess(fresh: Demand, admitted: Demand) -> str:
    """Say in what a demand exceeds the admitted one; empty when what was admitted still suffices.

    A different placement (selector, tolerations, affinity) or priority class counts: the room was found for
    the old one.
    """
    granted = {pods.name: pods for pods in admitted.pod_sets}
    for pods in fresh.pod_sets:
        old = granted.get(pods.name, PodSet(pods.name, 0, Resources()))
        if pods.count > old.count:
            return f"{pods.name}s: {pods.count} instead of {old.count}"
        for what, amount in pods.requests.items():
            if pods.count and amount > old.requests[what]:
                more, less = format_amount(what, amount), format_amount(what, old.requests[what])
                return f"{pods.name} {what}: {more} instead of {less}"
        if pods.count and (pods.node_selector, pods.tolerations) != (old.node_selector, old.tolerations):
            return f"{pods.name}: other node selector or tolerations"
        if pods.count and (pods.affinity, pods.scope) != (old.affinity, old.scope):
            return f"{pods.name}: other affinity, topology spread or priority class"
    for what, amount in fresh.objects.items():
        if amount > admitted.objects[what]:
            more, less = format_needed_and_free(what, amount, admitted.objects[what])
            return f"{what}: {more} instead of {less}"
    return ""
