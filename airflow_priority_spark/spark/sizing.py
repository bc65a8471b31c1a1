# SPDX-License-Identifier: Apache-2.0
"""What Spark asks for its own container: CPU, memory and devices.

Sources: Spark's ``BasicDriverFeatureStep``, ``BasicExecutorFeatureStep``, ``ResourceProfile``
(``getResourcesForClusterManager``, ``calculateOverHeadMemory``), ``KubernetesUtils``
(``buildResourcesQuantities``); the operator's ``sparkpod_defaulter.go`` for ``gpu`` and ``memoryLimit``.
"""

from __future__ import annotations

from typing import Final

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.resources import (
    CPU,
    format_amount,
    format_bytes,
    parse_cpu_millis,
)
from airflow_priority_spark.spark.conf import Setting
from airflow_priority_spark.spark.memory import MIB, parse_memory
from airflow_priority_spark.spark.reading import MIN_OVERHEAD_SINCE, Reading, Role

JVM_OVERHEAD: Final = 0.1
NON_JVM_OVERHEAD: Final = 0.4
MIN_OVERHEAD_MIB: Final = 384
DEFAULT_MEMORY_MIB: Final = 1024
#: Spark wants a heap of one and a half times its reserve of 300 MB (``UnifiedMemoryManager.getMaxMemory``).
MIN_HEAP_MIB: Final = 450


def cpu_request(reading: Reading, role: Role) -> int:
    """Return the CPU request in millicores: the core request, else the cores, else one.

    :raises InvalidInput: naming the field.
    """
    cores = reading.conf.whole(f"spark.{role}.cores", minimum=1) or 1
    task = reading.conf.whole("spark.task.cpus", minimum=1) or 1
    setting = reading.conf.get("spark.task.cpus")
    if role == "executor" and setting is not None and task > cores:
        # ResourceUtils.validateTaskCpusLargeEnough: the driver ends at once.
        raise InvalidManifest(setting.source, setting.value, f"at most the {cores} cores of an executor")
    request = reading.conf.get(f"spark.kubernetes.{role}.request.cores")
    millis = cores * 1000 if request is None else _positive_cpu(request)
    decided = request or reading.conf.get(f"spark.{role}.cores")
    reading.say(f"{role} cpu", format_amount(CPU, millis), decided)
    return millis


def cpu_limit(reading: Reading, role: Role, request: int) -> int:
    """Return the CPU limit in millicores, 0 when there is none.

    :raises InvalidManifest: when it is less than the request: Kubernetes refuses such a pod.
    """
    limit = reading.conf.get(f"spark.kubernetes.{role}.limit.cores")
    if limit is None:
        return 0
    millis = _positive_cpu(limit)
    if millis < request:
        least = format_amount(CPU, request)
        raise InvalidManifest(limit.source, limit.value, f"at least the pod's request of {least}")
    return millis


def memory_request(reading: Reading, role: Role) -> int:
    """Return the memory request in bytes: heap, overhead, and an executor's off-heap and Python memory.

    :raises InvalidInput: naming the field.
    """
    heap = reading.mebibytes(f"spark.{role}.memory", minimum=1) or DEFAULT_MEMORY_MIB
    if heap < MIN_HEAP_MIB:
        reading.warnings.append(
            f"{role} memory of {heap} MiB: Spark does not start with less than {MIN_HEAP_MIB} MiB"
        )
    overhead, why = _overhead(reading, role, heap)
    parts = [(heap, "heap"), (overhead, "overhead")]
    if role == "executor":
        parts += [(_off_heap(reading), "off-heap"), (_python_memory(reading), "Python")]
    total = sum(amount for amount, _ in parts) * MIB
    said = " + ".join(f"{amount} MiB {name}" for amount, name in parts if amount or name == "overhead")
    setting = reading.conf.get(f"spark.{role}.memory")
    source = setting.source if setting else "Spark's default"
    reading.explain.append(f"{role} memory: {format_bytes(total)} = {said} ({source}; overhead: {why})")
    return total


def memory_limit(reading: Reading, role: Role, request: int) -> int:
    """Return the memory limit in bytes: the request, or ``memoryLimit``, which the operator's webhook sets.

    :raises InvalidInput: naming the field.
    """
    limit = reading.fields(role).get("memoryLimit")
    if limit is None:
        return request
    amount = parse_memory(limit, f"spec.{role}.memoryLimit", unit=1)
    if amount < request:
        raise InvalidManifest(
            f"spec.{role}.memoryLimit", limit, f"at least the pod's request of {format_bytes(request)}"
        )
    return amount


def devices(reading: Reading, role: Role) -> dict[str, int]:
    """Return GPUs and other devices: ``spark.<role>.resource.*``, and over it the ``gpu`` field.

    Both are set as limits; the API server makes them requests.

    :raises InvalidManifest: naming the field.
    """
    found: dict[str, tuple[int, str]] = {}
    prefix = f"spark.{role}.resource."
    for name in {key.rsplit(".", 1)[0] for key in reading.conf.prefixed(prefix) if key.endswith(".amount")}:
        vendor, amount = reading.conf.get(f"{prefix}{name}.vendor"), f"{prefix}{name}.amount"
        if vendor is None:
            raise InvalidManifest(
                f"spec.sparkConf[{prefix}{name}.vendor]", None, "the vendor's domain, such as nvidia.com"
            )
        count = reading.conf.whole(amount, minimum=0) or 0
        found[f"{vendor.value}/{name}"] = count, f"spec.sparkConf[{amount}]"
    gpu = reading.fields(role).get("gpu")
    if gpu:
        name, quantity = gpu.get("name"), gpu.get("quantity")
        if not isinstance(name, str) or "/" not in name:
            raise InvalidManifest(f"spec.{role}.gpu.name", name, "a resource name such as nvidia.com/gpu")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            raise InvalidManifest(f"spec.{role}.gpu.quantity", quantity, "a whole number of at least 1")
        found[name] = quantity, f"spec.{role}.gpu"
    for name, (count, source) in sorted(found.items()):
        reading.explain.append(f"{role} {name}: {count} ({source})")
    return {name: count for name, (count, _) in found.items()}


def _positive_cpu(setting: Setting) -> int:
    millis = parse_cpu_millis(setting.value, setting.source)
    if millis < 1:
        raise InvalidManifest(setting.source, setting.value, "more than 0 CPU")
    return millis


def _overhead(reading: Reading, role: Role, heap_mib: int) -> tuple[int, str]:
    """Return the memory beside the heap in MiB, and what decided it."""
    key = f"spark.{role}.memoryOverhead"
    given, setting = reading.mebibytes(key, minimum=0), reading.conf.get(key)
    if given is not None and setting is not None:
        return given, setting.source
    default = JVM_OVERHEAD if reading.is_jvm else NON_JVM_OVERHEAD
    factor, why = default, f"factor {default} of a {'JVM' if reading.is_jvm else 'non-JVM'} main file"
    # The driver writes the common factor, or its default, into the configuration executors read.
    for name in (f"spark.{role}.memoryOverheadFactor", "spark.kubernetes.memoryOverheadFactor"):
        value, where = reading.conf.factor(name), reading.conf.get(name)
        if value is not None and where is not None:
            factor, why = value, f"factor {value:g} from {where.source}"
            break
    floor, floor_why = _least_overhead(reading, role)
    scaled = int(factor * heap_mib)
    return (scaled, why) if scaled >= floor else (floor, floor_why)


def _least_overhead(reading: Reading, role: Role) -> tuple[int, str]:
    key = f"spark.{role}.minMemoryOverhead"
    setting = reading.conf.get(key)
    if setting is not None and reading.version < MIN_OVERHEAD_SINCE:
        reading.warnings.append(f"{setting.source}: Spark before 4.0 does not know it and uses 384 MiB")
        setting = None
    floor = reading.mebibytes(key, minimum=0) if setting is not None else None
    if setting is None or floor is None:
        return MIN_OVERHEAD_MIB, f"the minimum of {MIN_OVERHEAD_MIB} MiB"
    return floor, f"the minimum of {floor} MiB from {setting.source}"


def _off_heap(reading: Reading) -> int:
    if not reading.conf.flag("spark.memory.offHeap.enabled"):
        return 0
    size = reading.mebibytes("spark.memory.offHeap.size", minimum=1, unit=1)
    if size is None:
        raise InvalidManifest(
            "spec.sparkConf[spark.memory.offHeap.size]", None, "a size, because off-heap memory is enabled"
        )
    return size


def _python_memory(reading: Reading) -> int:
    given = reading.mebibytes("spark.executor.pyspark.memory", minimum=0)
    return given if given is not None and reading.is_python else 0
