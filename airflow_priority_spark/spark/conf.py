# SPDX-License-Identifier: Apache-2.0
"""The configuration ``spark-submit`` will see.

A SparkApplication says the same thing in several places. The operator turns all of them into one
list of ``--conf`` arguments, and the last one wins. Doing the same here settles every question of
precedence once: the rest of this package looks up Spark's own keys and never a manifest's fields.

Source: ``internal/controller/sparkapplication/submission.go`` (order of the options:
``memoryOverheadFactorOption``, ``sparkConfOption``, ``driverConfOption``, ``executorConfOption``,
``nodeSelectorOption``, ``dynamicAllocationOption``), spark-operator v2.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from airflow_priority_spark.errors import InvalidManifest

_DRIVER: Final = {
    "cores": "spark.driver.cores",
    "coreRequest": "spark.kubernetes.driver.request.cores",
    "coreLimit": "spark.kubernetes.driver.limit.cores",
    "memory": "spark.driver.memory",
    "memoryOverhead": "spark.driver.memoryOverhead",
    "kubernetesMaster": "spark.kubernetes.driver.master",
}
_EXECUTOR: Final = {
    "instances": "spark.executor.instances",
    "cores": "spark.executor.cores",
    "coreRequest": "spark.kubernetes.executor.request.cores",
    "coreLimit": "spark.kubernetes.executor.limit.cores",
    "memory": "spark.executor.memory",
    "memoryOverhead": "spark.executor.memoryOverhead",
}
_DYNAMIC: Final = {
    "initialExecutors": "spark.dynamicAllocation.initialExecutors",
    "minExecutors": "spark.dynamicAllocation.minExecutors",
    "maxExecutors": "spark.dynamicAllocation.maxExecutors",
}


class Setting(NamedTuple):
    """A value and the place in the manifest that decided it."""

    value: Any
    source: str


class SparkConf:
    """Spark's keys with the place each value came from.

    :param spec: the ``spec`` of a SparkApplication.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._settings: dict[str, Setting] = {}
        self._put("spark.kubernetes.memoryOverheadFactor", spec, "memoryOverheadFactor", "spec.")
        for key, value in (spec.get("sparkConf") or {}).items():
            self._settings[key] = Setting(value, f"spec.sparkConf[{key}]")
        for role, keys in (("driver", _DRIVER), ("executor", _EXECUTOR)):
            for name, key in keys.items():
                self._put(key, spec.get(role) or {}, name, f"spec.{role}.")
        for label, value in (spec.get("nodeSelector") or {}).items():
            key = f"spark.kubernetes.node.selector.{label}"
            self._settings[key] = Setting(value, f"spec.nodeSelector.{label}")
        dynamic = spec.get("dynamicAllocation") or {}
        if dynamic.get("enabled"):
            self._settings["spark.dynamicAllocation.enabled"] = Setting(
                "true", "spec.dynamicAllocation.enabled"
            )
            for name, key in _DYNAMIC.items():
                self._put(key, dynamic, name, "spec.dynamicAllocation.")

    def _put(self, key: str, fields: Mapping[str, Any], name: str, prefix: str) -> None:
        if fields.get(name) is not None:
            self._settings[key] = Setting(fields[name], prefix + name)

    def get(self, key: str) -> Setting | None:
        """Return the winning value of a key and where it stands, ``None`` when nobody set it."""
        return self._settings.get(key)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._settings))

    def prefixed(self, prefix: str) -> dict[str, Setting]:
        """Return the settings under a prefix, by the rest of their key."""
        return {key.removeprefix(prefix): self._settings[key] for key in self if key.startswith(prefix)}

    def flag(self, key: str) -> bool:
        """Read a boolean; unset is false.

        :raises InvalidManifest: naming the place when it is neither true nor false.
        """
        setting = self.get(key)
        if setting is None:
            return False
        text = str(setting.value).strip().lower()
        if text not in ("true", "false"):
            raise InvalidManifest(setting.source, setting.value, "true or false")
        return text == "true"

    def whole(self, key: str, *, minimum: int) -> int | None:
        """Read a whole number, ``None`` when unset.

        :raises InvalidManifest: naming the place when it is no whole number or below ``minimum``.
        """
        setting = self.get(key)
        if setting is None:
            return None
        text = str(setting.value).strip()
        if isinstance(setting.value, bool) or not text.removeprefix("-").isdecimal() or int(text) < minimum:
            raise InvalidManifest(setting.source, setting.value, f"a whole number of at least {minimum}")
        return int(text)

    def factor(self, key: str) -> float | None:
        """Read a non-negative fraction, ``None`` when unset.

        :raises InvalidManifest: naming the place when it is not one.
        """
        setting = self.get(key)
        if setting is None:
            return None
        try:
            value = float(str(setting.value))
        except ValueError:
            value = -1.0
        if isinstance(setting.value, bool) or not 0 <= value < float("inf"):
            raise InvalidManifest(setting.source, setting.value, 'a number of at least 0, such as "0.1"')
        return value
