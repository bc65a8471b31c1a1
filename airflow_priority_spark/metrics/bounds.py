# SPDX-License-Identifier: Apache-2.0
"""How many series there may be.

A label whose values people make up (teams, DAGs, jobs) can be switched off, and has at most so many values
at a time: those that hold most. The rest is added up as ``other``, so that sums stay right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.metric_reads import Holding

#: Labels that may be switched off.
LABELS: Final = ("pool", "team", "dag_id", "job_id")
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which of ``LABELS`` are on, and the most values of each."""

    labels: frozenset[str] = frozenset(LABELS)
    top: int = 50

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """Read the configuration.

        :raises InvalidInput: naming the label that cannot be switched.
        """
        names = [name.strip() for name in settings.metrics_labels.split(",") if name.strip()]
        for name in names:
            if name not in LABELS:
                raise InvalidInput("[priority_spark] metrics_labels", name, ", ".join(LABELS))
        return cls(frozenset(names), settings.metrics_top)

    def pool(self, name: str) -> str:
        """Return a priority pool's label; empty when pools are switched off."""
        return name if "pool" in self.labels else ""

    def largest(self, label: str, holdings: Iterable[Holding]) -> Mapping[str, str]:
        """Return value → what it is shown as, for the values of a label.

        :param label: ``team``, ``dag_id`` or ``job_id``.
        """
        value: Callable[[Holding], str] = {
            "team": lambda held: held.team,
            "dag_id": lambda held: held.dag_id,
            "job_id": lambda held: held.job_id,
        }[label]
        sizes: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for held in holdings:
            cpu, memory = sizes[value(held)]
            sizes[value(held)] = (cpu + held.resources["cpu"], memory + held.resources["memory"])
        if label not in self.labels:
            return dict.fromkeys(sizes, "")
        ranked = sorted(sizes, key=lambda name: (-sizes[name][0], -sizes[name][1], name))
        shown = set(ranked[: self.top])
        return {name: name if name in shown else OTHER for name in ranked}
