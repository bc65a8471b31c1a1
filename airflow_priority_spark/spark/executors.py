# SPDX-License-Identifier: Apache-2.0
"""How many executors are reserved.

Without dynamic allocation that is their number. With it a job starts with some, keeps at least some and
may grow to some; which of the three is reserved is the site's or the author's choice.

Sources: Spark's ``SchedulerBackendUtils`` (``getInitialTargetExecutorNumber``), ``Utils``
(``getDynamicAllocationInitialExecutors``), ``KubernetesClusterManager`` (``isLocal``); the operator's
``defaults.go`` (``setExecutorSpecDefaults``).
"""

from __future__ import annotations

from typing import Final, Literal

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.spark.reading import Reading

Reserve = Literal["initial", "min", "max"]
RESERVES: Final = ("initial", "min", "max")
#: The operator's webhook sets one executor where the manifest names no number; Spark alone would take two.
DEFAULT_EXECUTORS: Final = 1

_INSTANCES: Final = "spark.executor.instances"
_LEAST: Final = "spark.dynamicAllocation.minExecutors"
_INITIAL: Final = "spark.dynamicAllocation.initialExecutors"
_MOST: Final = "spark.dynamicAllocation.maxExecutors"


def executor_count(reading: Reading, reserve: Reserve) -> int:
    """Return the number of executors to reserve.

    :raises InvalidManifest: naming the field, also when an unbounded maximum is to be reserved.
    """
    conf = reading.conf
    instances = _instances(reading)
    master = conf.get("spark.kubernetes.driver.master")
    if master is not None and str(master.value).startswith("local"):
        reading.say("executors", 0, master)
        return 0
    if conf.flag("spark.dynamicAllocation.enabled"):
        return _dynamic(reading, instances, reserve)
    count = DEFAULT_EXECUTORS if instances is None else instances
    reading.say("executors", count, conf.get(_INSTANCES), "the Spark operator's default")
    return count


def _instances(reading: Reading) -> int | None:
    setting = reading.conf.get(_INSTANCES)
    # The field has a minimum in the custom resource definition, the setting has none.
    typed = setting is not None and setting.source == "spec.executor.instances"
    return reading.conf.whole(_INSTANCES, minimum=1 if typed else 0)


def _dynamic(reading: Reading, instances: int | None, reserve: Reserve) -> int:
    conf = reading.conf
    if instances is None and not (reading.spec.get("dynamicAllocation") or {}).get("enabled"):
        # The webhook does not see dynamic allocation that only sparkConf asks for, and sets one instance.
        instances = DEFAULT_EXECUTORS
    least = conf.whole(_LEAST, minimum=0) or 0
    start = max(least, conf.whole(_INITIAL, minimum=0) or 0, instances or 0)
    most, setting = conf.whole(_MOST, minimum=1), conf.get(_MOST)
    where = setting.source if setting else "spec.dynamicAllocation.maxExecutors"
    if most is not None and start > most:
        raise InvalidManifest(where, most, f"at least the {start} executors it starts with")
    if reserve == "max" and most is None:
        raise InvalidManifest(where, None, "a number, because max executors are to be reserved")
    count = {"initial": start, "min": least, "max": most or 0}[reserve]
    decided = conf.get({"initial": _INITIAL, "min": _LEAST, "max": _MOST}[reserve])
    source = f", {decided.source}" if decided else ""
    reading.explain.append(f"executors: {count} (dynamic allocation, {reserve} is reserved{source})")
    if most is None or most > count:
        beyond = "without bound" if most is None else f"up to {most}"
        reading.warnings.append(f"dynamic allocation may grow {beyond}; only {count} executors are reserved")
    return count
