# SPDX-License-Identifier: Apache-2.0
"""What a SparkApplication asks of its cluster, to the byte.

The queue admits a job only when the driver *and* all executors fit; a demand that is a few MiB short
is a deadlock, one that is too large is idle capacity. So the numbers follow Spark's own code, and each
comes with the field that decided it.

Sources: Spark's ``BasicDriverFeatureStep``, ``BasicExecutorFeatureStep``, ``ResourceProfile``
(``getResourcesForClusterManager``, ``calculateOverHeadMemory``), ``SchedulerBackendUtils``
(``getInitialTargetExecutorNumber``); the operator's ``sparkpod_defaulter.go`` for GPUs and memory limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.scheduling.resources import (
    CPU,
    MEMORY,
    Resources,
    format_amount,
    format_bytes,
    parse_cpu_millis,
)
from airflow_priority_spark.spark.conf import Setting, SparkConf
from airflow_priority_spark.spark.memory import MIB, parse_mebibytes, parse_memory
from airflow_priority_spark.spark.objects import quota_objects
from airflow_priority_spark.spark.pods import Role, node_selector, pod_amounts, tolerations

Reserve = Literal["initial", "min", "max"]
RESERVES: Final = ("initial", "min", "max")

JVM_OVERHEAD: Final = 0.1
NON_JVM_OVERHEAD: Final = 0.4
MIN_OVERHEAD_MIB: Final = 384
DEFAULT_MEMORY_MIB: Final = 1024
#: Spark wants a heap of one and a half times its reserve of 300 MB (``UnifiedMemoryManager.getMaxMemory``).
MIN_HEAP_MIB: Final = 450
#: The operator's webhook sets one executor where the manifest names no number (``defaults.go``).
DEFAULT_EXECUTORS: Final = 1


@dataclass(frozen=True, slots=True)
class DemandResult:
    """A demand and where its numbers come from.

    :param explain: one line per number, naming the field that decided it.
    :param warnings: what an author should know, e.g. that later executors are not reserved.
    """

    demand: Demand
    explain: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """One manifest being read: its configuration, and what is said along the way."""

    spec: Mapping[str, Any]
    conf: SparkConf
    explain: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def decided(
        self, what: str, amount: object, setting: Setting | None, default: str = "Spark's default"
    ) -> None:
        self.explain.append(f"{what}: {amount} ({setting.source if setting else default})")

    @property
    def main_file(self) -> str:
        return str(self.spec.get("mainApplicationFile") or "")

    @property
    def is_python(self) -> bool:
        return self.main_file.endswith(".py")

    @property
    def is_jvm(self) -> bool:
        """``spark-submit`` goes by the suffix of the file, whatever ``spec.type`` says."""
        return not self.main_file.endswith((".py", ".R", ".r"))

    @property
    def major_version(self) -> int:
        match = re.match(r"\D*(\d+)", str(self.spec.get("sparkVersion") or ""))
        return int(match[1]) if match else 3


def compute_demand(manifest: Mapping[str, Any], *, reserve: Reserve = "initial") -> DemandResult:
    """Return what a SparkApplication asks for.

    :param manifest: the whole SparkApplication.
    :param reserve: how many executors to reserve under dynamic allocation.
    :raises InvalidManifest: an impossible size, naming the field.
    :raises InvalidMemoryString: a field that is no Spark memory string.
    :raises InvalidQuantity: a field that is no Kubernetes quantity.
    """
    spec = manifest.get("spec") or {}
    reading = _Reading(spec, SparkConf(spec))
    pod_sets = (
        _pod_set(reading, "driver", 1),
        _pod_set(reading, "executor", _executors(reading, reserve)),
    )
    _warn(reading)
    demand = Demand(pod_sets, quota_objects(spec, reading.conf))
    return DemandResult(demand, tuple(reading.explain), tuple(reading.warnings))


def describe_demand(demand: Demand) -> str:
    """Say a demand in one line, e.g. ``1 driver of 1 CPU and 896 MiB, 2 executors of …``."""
    parts = []
    for pods in demand.pod_sets:
        name = pods.name if pods.count == 1 else f"{pods.name}s"
        amounts = " and ".join(format_amount(what, amount) for what, amount in pods.requests.items())
        parts.append(f"{pods.count} {name} of {amounts}")
    total = demand.total()
    whole = ", ".join(format_amount(what, amount) for what, amount in total.items() if what != "pods")
    return f"{', '.join(parts)}; together {total['pods']} pods, {whole}"


def excess(fresh: Demand, admitted: Demand) -> str:
    """Say in what a demand exceeds the admitted one; empty when what was admitted still suffices.

    A different placement (selector, tolerations) counts: the room was found for the old one.
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
    return ""


def _pod_set(reading: _Reading, role: Role, count: int) -> PodSet:
    cpu, memory, devices = _cpu(reading, role), _memory(reading, role), _devices(reading, role)
    requests = Resources({CPU: cpu, MEMORY: memory}) + devices
    limits = (
        Resources({CPU: _cpu_limit(reading, role), MEMORY: _memory_limit(reading, role, memory)}) + devices
    )
    requests, limits = pod_amounts((requests, limits), reading.spec, role, reading.conf)
    return PodSet(
        name=role,
        count=count,
        requests=requests,
        limits=limits,
        node_selector=node_selector(reading.spec, role, reading.conf),
        tolerations=tolerations(reading.spec, role),
    )


def _cpu(reading: _Reading, role: Role) -> int:
    cores = reading.conf.whole(f"spark.{role}.cores", minimum=1)
    request = reading.conf.get(f"spark.kubernetes.{role}.request.cores")
    if request is not None:
        millis = _positive_cpu(request)
        reading.decided(f"{role} cpu", format_amount(CPU, millis), request)
        return millis
    millis = (cores or 1) * 1000
    reading.decided(f"{role} cpu", format_amount(CPU, millis), reading.conf.get(f"spark.{role}.cores"))
    return millis


def _cpu_limit(reading: _Reading, role: Role) -> int:
    limit = reading.conf.get(f"spark.kubernetes.{role}.limit.cores")
    return _positive_cpu(limit) if limit else 0


def _positive_cpu(setting: Setting) -> int:
    millis = parse_cpu_millis(setting.value, setting.source)
    if millis < 1:
        raise InvalidManifest(setting.source, setting.value, "more than 0 CPU")
    return millis


def _memory(reading: _Reading, role: Role) -> int:
    heap = _mebibytes(reading, f"spark.{role}.memory", minimum=1)
    heap_mib = DEFAULT_MEMORY_MIB if heap is None else heap
    if heap_mib < MIN_HEAP_MIB:
        reading.warnings.append(
            f"{role} memory of {heap_mib} MiB: Spark does not start with less than {MIN_HEAP_MIB} MiB"
        )
    overhead, why = _overhead(reading, role, heap_mib)
    total = heap_mib + overhead
    parts = f"{heap_mib} MiB heap + {overhead} MiB overhead"
    if role == "executor":
        off_heap, python = _off_heap(reading), _python_memory(reading)
        total += off_heap + python
        parts += "".join(
            f" + {amount} MiB {name}"
            for amount, name in ((off_heap, "off-heap"), (python, "Python"))
            if amount
        )
    setting = reading.conf.get(f"spark.{role}.memory")
    source = setting.source if setting else "Spark's default"
    reading.explain.append(
        f"{role} memory: {format_bytes(total * MIB)} = {parts} ({source}; overhead: {why})"
    )
    return total * MIB


def _overhead(reading: _Reading, role: Role, heap_mib: int) -> tuple[int, str]:
    given = _mebibytes(reading, f"spark.{role}.memoryOverhead", minimum=0)
    setting = reading.conf.get(f"spark.{role}.memoryOverhead")
    if given is not None and setting is not None:
        return given, setting.source
    default = JVM_OVERHEAD if reading.is_jvm else NON_JVM_OVERHEAD
    factor, why = default, f"factor {default} of a {'JVM' if reading.is_jvm else 'non-JVM'} main file"
    for key in (f"spark.{role}.memoryOverheadFactor", "spark.kubernetes.memoryOverheadFactor"):
        value, where = reading.conf.factor(key), reading.conf.get(key)
        if value is not None and where is not None:
            factor, why = value, f"factor {value:g} from {where.source}"
            break
    minimum = None
    if reading.major_version >= 4:
        minimum = _mebibytes(reading, f"spark.{role}.minMemoryOverhead", minimum=0)
    floor = MIN_OVERHEAD_MIB if minimum is None else minimum
    scaled = int(factor * heap_mib)
    return (scaled, why) if scaled >= floor else (floor, f"the minimum of {floor} MiB")


def _off_heap(reading: _Reading) -> int:
    if not reading.conf.flag("spark.memory.offHeap.enabled"):
        return 0
    size = _mebibytes(reading, "spark.memory.offHeap.size", minimum=1, unit=1)
    if size is None:
        raise InvalidManifest(
            "spec.sparkConf[spark.memory.offHeap.size]", None, "a size, because off-heap memory is enabled"
        )
    return size


def _python_memory(reading: _Reading) -> int:
    given = _mebibytes(reading, "spark.executor.pyspark.memory", minimum=0)
    return given if given is not None and reading.is_python else 0


def _mebibytes(reading: _Reading, key: str, *, minimum: int, unit: int = MIB) -> int | None:
    setting = reading.conf.get(key)
    if setting is None:
        return None
    amount = parse_mebibytes(setting.value, setting.source, unit=unit)
    if amount < minimum:
        raise InvalidManifest(setting.source, setting.value, f"at least {minimum}m")
    return amount


def _memory_limit(reading: _Reading, role: Role, request: int) -> int:
    """Spark sets the limit to the request; the operator's webhook replaces it by ``memoryLimit``."""
    limit = (reading.spec.get(role) or {}).get("memoryLimit")
    if limit is None:
        return request
    amount = parse_memory(limit, f"spec.{role}.memoryLimit", unit=1)
    if amount < request:
        raise InvalidManifest(
            f"spec.{role}.memoryLimit", limit, f"at least the pod's request of {format_bytes(request)}"
        )
    return amount


def _devices(reading: _Reading, role: Role) -> Resources:
    """GPUs and other devices: the webhook's ``gpu`` field and Spark's ``spark.<role>.resource.*``."""
    amounts: dict[str, int] = {}
    prefix = f"spark.{role}.resource."
    for name in {key.rsplit(".", 1)[0] for key in reading.conf.prefixed(prefix) if key.endswith(".amount")}:
        vendor = reading.conf.get(f"{prefix}{name}.vendor")
        if vendor is None:
            raise InvalidManifest(
                f"spec.sparkConf[{prefix}{name}.vendor]", None, "the vendor's domain, such as nvidia.com"
            )
        amounts[f"{vendor.value}/{name}"] = reading.conf.whole(f"{prefix}{name}.amount", minimum=0) or 0
    gpu = (reading.spec.get(role) or {}).get("gpu")
    if gpu:
        name, quantity = gpu.get("name"), gpu.get("quantity")
        if not isinstance(name, str) or "/" not in name:
            raise InvalidManifest(f"spec.{role}.gpu.name", name, "a resource name such as nvidia.com/gpu")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            raise InvalidManifest(f"spec.{role}.gpu.quantity", quantity, "a whole number of at least 1")
        amounts[name] = quantity
    for name, amount in sorted(amounts.items()):
        reading.explain.append(f"{role} {name}: {amount}")
    return Resources(amounts)


def _executors(reading: _Reading, reserve: Reserve) -> int:
    conf = reading.conf
    instances = conf.whole("spark.executor.instances", minimum=0)
    if not conf.flag("spark.dynamicAllocation.enabled"):
        count = DEFAULT_EXECUTORS if instances is None else instances
        reading.decided(
            "executors", count, conf.get("spark.executor.instances"), "the Spark operator's default"
        )
        return count
    least = conf.whole("spark.dynamicAllocation.minExecutors", minimum=0) or 0
    initial = conf.whole("spark.dynamicAllocation.initialExecutors", minimum=0)
    most = conf.whole("spark.dynamicAllocation.maxExecutors", minimum=1)
    if instances is None and not (reading.spec.get("dynamicAllocation") or {}).get("enabled"):
        # The webhook does not see dynamic allocation that only sparkConf asks for, and sets one instance.
        instances = DEFAULT_EXECUTORS
    start = max(least, initial or 0, instances or 0)
    if most is not None and start > most:
        raise InvalidManifest(
            "spec.dynamicAllocation.maxExecutors", most, f"at least the {start} executors it starts with"
        )
    if reserve == "max" and most is None:
        raise InvalidManifest(
            "spec.dynamicAllocation.maxExecutors", None, "a number, because max executors are to be reserved"
        )
    count = {"initial": start, "min": least, "max": most or 0}[reserve]
    reading.explain.append(f"executors: {count} (dynamic allocation, {reserve} is reserved)")
    if most is None or most > count:
        beyond = "without bound" if most is None else f"up to {most}"
        reading.warnings.append(f"dynamic allocation may grow {beyond}; only {count} executors are reserved")
    return count


def _warn(reading: _Reading) -> None:
    for role in ("driver", "executor"):
        template = reading.conf.get(f"spark.kubernetes.{role}.podTemplateFile")
        if template is not None:
            reading.warnings.append(
                f"{template.source}: a template file cannot be read here; what it adds is not counted"
            )
