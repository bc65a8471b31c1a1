# SPDX-License-Identifier: Apache-2.0
"""What Spark on Kubernetes requests for its driver and executor pods.

A computation of its own, not the product's: the cluster plays Spark, and the tests compare the two.
Sources: Spark ``BasicDriverFeatureStep.scala``, ``BasicExecutorFeatureStep.scala``,
``KubernetesClusterManager.scala``; precedence as the Kubeflow operator passes typed fields on (over
``sparkConf``, which is over ``spec.memoryOverheadFactor``), and its ``defaults.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MINIMUM_OVERHEAD_MIB = 384
_MEMORY = re.compile(r"(\d+)([bkmgtp]?)b?", re.IGNORECASE)
_MIB_EXPONENT = {"b": -20, "k": -10, "m": 0, "g": 10, "t": 20, "p": 30}
_NON_JVM = (".py", ".R", ".r")


class InvalidMemory(ValueError):
    """Spark's refusal of a memory string, as ``JavaUtils`` words it."""

    def __init__(self, text: str) -> None:
        super().__init__(
            "Size must be specified as bytes (b), kibibytes (k), mebibytes (m), gibibytes (g), "
            "tebibytes (t), or pebibytes(p). E.g. 50b, 100k, or 250m. Fractional values are not supported. "
            f"Input was: {text}"
        )


def mebibytes(text: str, default_unit: str = "m") -> int:
    """Read a Spark memory string (``JavaUtils.byteStringAs``), rounded down to MiB."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise InvalidMemory(text)
    exponent = _MIB_EXPONENT[match[2].lower() or default_unit]
    return int(match[1]) << exponent if exponent >= 0 else int(match[1]) >> -exponent


def driver_resources(spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return ``requests`` and ``limits`` of the driver container."""
    driver, conf = spec.get("driver") or {}, spec.get("sparkConf") or {}
    factor = conf.get("spark.driver.memoryOverheadFactor") or _default_factor(spec)
    memory = _with_overhead("driver", driver, conf, float(factor), _least_overhead(spec, "driver"))
    return _resources("driver", driver, conf, memory)


def executor_resources(spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return ``requests`` and ``limits`` of an executor container."""
    executor, conf = spec.get("executor") or {}, spec.get("sparkConf") or {}
    factor = conf.get("spark.executor.memoryOverheadFactor") or _default_factor(spec)
    memory = _with_overhead("executor", executor, conf, float(factor), _least_overhead(spec, "executor"))
    if conf.get("spark.memory.offHeap.enabled") == "true":
        memory += mebibytes(conf.get("spark.memory.offHeap.size", "0"), "b")
    if _is_python(spec):
        memory += mebibytes(conf.get("spark.executor.pyspark.memory", "0"))
    return _resources("executor", executor, conf, memory)


def driver_cores(spec: Mapping[str, Any]) -> int:
    """Return how many threads a local master gets for the driver's cores; at least one."""
    driver, conf = spec.get("driver") or {}, spec.get("sparkConf") or {}
    return max(int(driver.get("cores") or conf.get("spark.driver.cores") or 1), 1)


def executor_count(spec: Mapping[str, Any]) -> int:
    """Return how many executors the driver starts with (the operator's webhook defaults to 1)."""
    executor, conf = spec.get("executor") or {}, spec.get("sparkConf") or {}
    dynamic = spec.get("dynamicAllocation") or {}
    master = (spec.get("driver") or {}).get("kubernetesMaster") or conf.get("spark.kubernetes.driver.master")
    if (master or "").startswith("local"):
        return 0
    # The webhook looks at the typed field only (``isDynamicAllocationEnabled``).
    default = 0 if dynamic.get("enabled") else 1
    instances = int(executor.get("instances") or conf.get("spark.executor.instances") or default)
    if dynamic.get("enabled") or conf.get("spark.dynamicAllocation.enabled") == "true":
        typed = dynamic if dynamic.get("enabled") else {}
        numbers = [
            typed.get(name, conf.get(f"spark.dynamicAllocation.{name}", 0))
            for name in ("initialExecutors", "minExecutors")
        ]
        return max(*map(int, numbers), instances)
    return instances


def _is_python(spec: Mapping[str, Any]) -> bool:
    return str(spec.get("mainApplicationFile") or "").endswith(".py")


def _default_factor(spec: Mapping[str, Any]) -> str:
    conf = spec.get("sparkConf") or {}
    given = conf.get("spark.kubernetes.memoryOverheadFactor") or spec.get("memoryOverheadFactor")
    return given or ("0.4" if str(spec.get("mainApplicationFile") or "").endswith(_NON_JVM) else "0.1")


def _least_overhead(spec: Mapping[str, Any], role: str) -> int:
    """Spark 4 made the minimum a setting."""
    given = (spec.get("sparkConf") or {}).get(f"spark.{role}.minMemoryOverhead")
    old = str(spec.get("sparkVersion") or "").startswith(("2.", "3."))
    return mebibytes(given) if given and not old else MINIMUM_OVERHEAD_MIB


def _with_overhead(
    role: str, typed: Mapping[str, Any], conf: Mapping[str, str], factor: float, least: int
) -> int:
    memory = mebibytes(typed.get("memory") or conf.get(f"spark.{role}.memory") or "1g")
    overhead = typed.get("memoryOverhead") or conf.get(f"spark.{role}.memoryOverhead")
    if overhead:
        return memory + mebibytes(overhead)
    return memory + max(int(factor * memory), least)


def _resources(
    role: str, typed: Mapping[str, Any], conf: Mapping[str, str], memory: int
) -> dict[str, dict[str, str]]:
    asked = typed.get("coreRequest") or conf.get(f"spark.kubernetes.{role}.request.cores")
    cpu = asked or typed.get("cores") or conf.get(f"spark.{role}.cores") or 1
    requests = {"cpu": str(cpu), "memory": f"{memory}Mi"}
    limits = {"memory": f"{memory}Mi"}
    if limit := typed.get("memoryLimit"):
        limits["memory"] = f"{mebibytes(limit, 'b')}Mi"
    if limit := typed.get("coreLimit") or conf.get(f"spark.kubernetes.{role}.limit.cores"):
        limits["cpu"] = str(limit)
    for key, amount in conf.items():
        if key.startswith(f"spark.{role}.resource.") and key.endswith(".amount"):
            device = key.removeprefix(f"spark.{role}.resource.").removesuffix(".amount")
            vendor = conf[f"spark.{role}.resource.{device}.vendor"]
            requests[f"{vendor}/{device}"] = limits[f"{vendor}/{device}"] = amount
    if gpu := typed.get("gpu"):
        requests[gpu["name"]] = limits[gpu["name"]] = str(gpu["quantity"])
    return {"requests": requests, "limits": limits}
