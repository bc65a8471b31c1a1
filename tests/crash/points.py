# SPDX-License-Identifier: Apache-2.0
"""The points at which a process may die so that it makes a difference.

Memory dies with the process, so only what others see counts: what a database has committed and what an API
server has done. A process that dies anywhere between two of these has died right after the first. So the
points are: before and after every commit that reaches a database driver, whoever asked for it, and before
and after every request to Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Killed(BaseException):
    """The process is gone: nothing handles this, and whatever still runs on the way out has no effect."""


class Points:
    """Counts the points that a watched process reaches, and acts at one of them.

    :param at: number of the point, from 1; 0: never.
    :param act: what happens there; by default the process is killed.
    """

    def __init__(self, at: int = 0, act: Callable[[], None] | None = None) -> None:
        self.at, self._act = at, act
        self.reached: list[str] = []
        self._watching = self._dead = False

    @property
    def acted(self) -> bool:
        """The point came."""
        return 0 < self.at <= len(self.reached)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what happens in the block."""
        self._watching = True
        try:
            yield
        finally:
            self._watching = self._dead = False

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Let somebody else act in the block."""
        self._watching = False
        try:
            yield
        finally:
            self._watching = True

    def reach(self, name: str) -> None:
        """Pass a point.

        :raises Killed: there, and ever after until the watch ends.
        """
        if not self._watching:
            return
        if self._dead:
            raise Killed
        self.reached.append(name)
        if len(self.reached) != self.at:
            return
        if self._act is None:
            self._dead = True
            raise Killed
        with self.unwatched():
            self._act()

    @contextmanager
    def commits_of(self, engine) -> Iterator[None]:
        """Make every commit of an engine's connections two points."""
        dialect, commit = engine.dialect, engine.dialect.do_commit

        def watched(connection) -> None:
            self.reach("before commit")
            commit(connection)
            self.reach("after commit")

        dialect.do_commit = watched
        try:
            yield
        finally:
            del dialect.do_commit
