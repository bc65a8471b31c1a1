# SPDX-License-Identifier: Apache-2.0
"""What containers print, kept with the time of each line, as the kubelet keeps it.

In memory and bounded: a driver that prints without end must not fill the machine it is tried out on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import datetime

from airflow_priority_spark.embedded.objects import current_time

LINES_KEPT = 50_000


class ContainerLog:
    """The lines of one container; ``ended`` once it will print no more."""

    def __init__(self) -> None:
        self._lines: deque[tuple[datetime, str]] = deque(maxlen=LINES_KEPT)
        self._written = 0
        self._news = asyncio.Event()
        self.ended = False

    def write(self, text: str) -> None:
        """Append one line."""
        self._lines.append((current_time(), text))
        self._written += 1
        self._tell()

    def end(self) -> None:
        """Say that nothing follows."""
        self.ended = True
        self._tell()

    @property
    def written(self) -> int:
        """How many lines were ever written; where a follower goes on from."""
        return self._written

    def lines(self, after: int = 0) -> Iterator[tuple[datetime, str]]:
        """Iterate over the kept lines from number ``after`` on."""
        first = self._written - len(self._lines)
        for index in range(max(after - first, 0), len(self._lines)):
            yield self._lines[index]

    async def more_than(self, seen: int) -> None:
        """Wait until there are more than ``seen`` lines or the log has ended."""
        while self._written <= seen and not self.ended:
            news = self._news
            await news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class LogBook:
    """The logs of all containers, by pod uid and container name."""

    def __init__(self) -> None:
        self._logs: dict[str, dict[str, ContainerLog]] = {}

    def open(self, pod_uid: str, container: str) -> ContainerLog:
        """Begin the log of a container."""
        return self._logs.setdefault(pod_uid, {}).setdefault(container, ContainerLog())

    def find(self, pod_uid: str, container: str) -> ContainerLog | None:
        """Return a container's log once it has started."""
        return self._logs.get(pod_uid, {}).get(container)

    def drop(self, pod_uid: str) -> None:
        """Forget the logs of a pod that is gone."""
        for log in self._logs.pop(pod_uid, {}).values():
            log.end()
