# SPDX-License-Identifier: Apache-2.0
"""One manifest being read: its configuration, its Spark version, and what is said along the way.

A number without its reason cannot be argued with. So whoever decides one writes a line about it here,
and whoever has to guess warns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.spark.conf import Setting, SparkConf
from airflow_priority_spark.spark.memory import MIB, parse_mebibytes

Role = Literal["driver", "executor"]
ROLES: Final[tuple[Role, ...]] = ("driver", "executor")

Version = tuple[int, int]
#: ``spark.{driver,executor}.minMemoryOverhead`` exist from here on (``internal/config/package.scala``).
MIN_OVERHEAD_SINCE: Final[Version] = (4, 0)
#: The oldest version whose rules are known; it brought ``spark.{driver,executor}.memoryOverheadFactor``.
OLDEST: Final[Version] = (3, 3)
_NEWEST: Final[Version] = (4, 3)
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)(?:[.\-+].*)?")


def parse_version(text: object) -> Version | None:
    """Return major and minor of ``3.5.1``, ``4.0`` or ``v4.1.0-preview1``; ``None`` when it is no version."""
    match = _VERSION.fullmatch(str(text).strip())
    return (int(match[1]), int(match[2])) if match else None


@dataclass(slots=True)
class Reading:
    """What is known about a manifest and what was said about it.

    :param spec: the ``spec`` of a SparkApplication.
    :param version: whose rules apply.
    """

    spec: Mapping[str, Any]
    conf: SparkConf
    version: Version = _NEWEST
    explain: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, spec: Mapping[str, Any], version: object) -> Reading:
        """Begin to read; a version that cannot be read, or whose rules are not known, is warned about."""
        found = parse_version(version)
        reading = cls(spec, SparkConf(spec), found or _NEWEST)
        rules = ".".join(map(str, OLDEST if found else _NEWEST))
        if found is None or found < OLDEST:
            reading.warnings.append(
                f"spec.sparkVersion: the rules of Spark {version!r} are not known; those of {rules} are used"
            )
        return reading

    def fields(self, role: Role) -> Mapping[str, Any]:
        """Return ``spec.driver`` or ``spec.executor``."""
        fields: Mapping[str, Any] = self.spec.get(role) or {}
        return fields

    def template(self, role: Role) -> Mapping[str, Any]:
        """Return the pod spec of a role's template, empty when there is none."""
        spec: Mapping[str, Any] = (self.fields(role).get("template") or {}).get("spec") or {}
        return spec

    def say(
        self, what: str, amount: object, setting: Setting | None, default: str = "Spark's default"
    ) -> None:
        """Write down a number and what decided it."""
        self.explain.append(f"{what}: {amount} ({setting.source if setting else default})")

    def mebibytes(self, key: str, *, minimum: int, unit: int = MIB) -> int | None:
        """Read a Spark memory string in whole MiB, ``None`` when unset.

        :param unit: bytes that a number without suffix counts.
        :raises InvalidMemoryString: when it is none.
        :raises InvalidManifest: when it is less than ``minimum`` MiB.
        """
        setting = self.conf.get(key)
        if setting is None:
            return None
        amount = parse_mebibytes(setting.value, setting.source, unit=unit)
        if amount < minimum:
            raise InvalidManifest(setting.source, setting.value, f"at least {minimum}m")
        return amount

    @property
    def main_file(self) -> str:
        """Return the file ``spark-submit`` runs."""
        return str(self.spec.get("mainApplicationFile") or "")

    @property
    def is_python(self) -> bool:
        """Tell whether executors run Python beside the JVM (``SparkSubmit.isPython``)."""
        return self.main_file.endswith(".py")

    @property
    def is_jvm(self) -> bool:
        """``spark-submit`` goes by the suffix of the file, whatever ``spec.type`` says."""
        return not self.main_file.endswith((".py", ".R", ".r"))
