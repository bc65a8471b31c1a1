# SPDX-License-Identifier: Apache-2.0
"""What pods use, for ``kubectl top``.

A driver that really runs is measured: its processes are those whose working directory is the pod's. Whatever
is simulated has no processes; it is said to use what it asks for.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from airflow_priority_spark.embedded.objects import Object
from airflow_priority_spark.embedded.pods import container_resources
from airflow_priority_spark.embedded.quantities import NANO, ZERO, Quantity

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
# A rate over less than this says more about the moment of asking than about the program.
_SHORTEST_SECONDS = 1.0

Usage = dict[str, Quantity]


@dataclass
class _Sample:
    """When a pod was looked at, the CPU seconds it had used, and the rate that came of it."""

    moment: float
    seconds: float
    rate: float


class Meter:
    """Measures the programs that run below ``work``, one directory each, called like their pod's uid."""

    def __init__(self, work: Path) -> None:
        self._work = work.resolve()
        self._samples: dict[str, _Sample] = {}

    def usage(self, pods: list[Object]) -> dict[str, list[Usage]]:
        """Return what the containers of running pods use, by the pods' uids; cores and bytes."""
        measured = self._measured()
        return {
            pod["metadata"]["uid"]: self._of_pod(pod, measured.get(pod["metadata"]["uid"])) for pod in pods
        }

    @staticmethod
    def _of_pod(pod: Object, measured: Usage | None) -> list[Usage]:
        asked = [container_resources(container, "requests") for container in pod["spec"]["containers"]]
        told = [{name: one.get(name, ZERO) for name in ("cpu", "memory")} for one in asked]
        # The program is the first container's; the others are simulated.
        return [measured, *told[1:]] if measured else told

    def _measured(self) -> dict[str, Usage]:
        seconds: dict[str, float] = defaultdict(float)
        memory: dict[str, int] = defaultdict(int)
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                place = Path(os.readlink(entry / "cwd"))
                if place.parent != self._work:
                    continue
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended, or belongs to someone else
                continue
            # Fields 14, 15 and 24 of proc(5), counted from the state, which is the third.
            seconds[place.name] += (int(fields[11]) + int(fields[12])) / _TICKS
            memory[place.name] += int(fields[21]) * _PAGE_BYTES
        self._samples = {uid: self._sampled(uid, used) for uid, used in seconds.items()}
        return {
            uid: {
                "cpu": Quantity(int(sample.rate * NANO)),
                "memory": Quantity(memory[uid] // 1024 * 1024 * NANO, binary=True),
            }
            for uid, sample in self._samples.items()
        }

    def _sampled(self, uid: str, seconds: float) -> _Sample:
        now, before = time.monotonic(), self._samples.get(uid)
        if before is None:
            return _Sample(now, seconds, 0.0)
        if now - before.moment < _SHORTEST_SECONDS:
            return before
        # Processes that have ended take their seconds with them.
        return _Sample(now, seconds, max(seconds - before.seconds, 0.0) / (now - before.moment))
