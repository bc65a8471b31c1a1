# SPDX-License-Identifier: Apache-2.0
"""The points at which a process may die, or stop for a while, so that it makes a difference.

Memory dies with the process, so only what others see counts: what a database has committed and what an API
server has done. A process that dies anywhere between two of these has died right after the first. So the
points are: before and after every commit that reaches a database driver, whoever asked for it, and before
and after every request to Kubernetes.

A process that stops and wakes remembers what it saw before. What it may do with that begins with a
transaction that writes or a request, so it stops right before each; once it has written, others would wait
for it until the database ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import event

#: Points that mean nothing for a process that stops, and for one that dies.
_OF_DEATH: Final = ("before commit", "after commit")
#: What a connection remembers of its transaction.
_WRITES: Final = "tests.crash writes"
_OF_SLEEP: Final = ("before transaction",)


class Killed(BaseException):
    """The process is gone: nothing handles this, and whatever still runs on the way out has no effect."""


class Points:
    """Counts the points that a watched process reaches, and acts at some of them.

    :param when: tells from a point's number, from 1, whether something happens there.
    :param sleeping: the process stops instead of dying; ``sleep`` is what happens in the meantime.
    :ivar begins: called with this at the beginning of every cycle that is watched.
    :ivar reached: names of the points.
    :ivar cycles: how many had been reached when each cycle began.
    :ivar acted: at how many something happened.
    """

    def __init__(self, when: Callable[[int], bool] = lambda _: False, *, sleeping: bool = False) -> None:
        self.when, self.sleeping = when, sleeping
        self.sleep: Callable[[], None] = lambda: None
        self.begins: Callable[[Points], None] = lambda _: None
        self.cycles: list[int] = []
        self.reached: list[str] = []
        self.acted = 0
        self._watching = self._dead = False

    def arm(self, distance: int, *, sleeping: bool) -> None:
        """Let something happen once, at a point that is so far away."""
        target = len(self.reached) + distance
        self.when, self.sleeping = (lambda number: number == target), sleeping

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what happens in the block: a cycle."""
        self.cycles.append(len(self.reached))
        self.begins(self)
        self._watching = True
        try:
            yield
        finally:
            self._watching = self._dead = False

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Let somebody else act in the block."""
        before, self._watching = self._watching, False
        try:
            yield
        finally:
            self._watching = before

    def reach(self, name: str) -> None:
        """Pass a point.

        :raises Killed: there, and ever after until the watch ends.
        """
        if not self._watching:
            return
        if self._dead:
            raise Killed
        if name in (_OF_DEATH if self.sleeping else _OF_SLEEP):
            return
        self.reached.append(name)
        if not self.when(len(self.reached)):
            return
        self.acted += 1
        if not self.sleeping:
            self._dead = True
            raise Killed
        with self.unwatched():
            self.sleep()

    @contextmanager
    def transactions_of(self, engine) -> Iterator[None]:
        """Make points of what an engine's connections do."""
        dialect, commit = engine.dialect, engine.dialect.do_commit

        def watched(connection) -> None:
            self.reach("before commit")
            commit(connection)
            self.reach("after commit")

        def executes(connection, _cursor, statement, *_) -> None:
            if not statement.startswith("SELECT") and not connection.info.get(_WRITES):
                self.reach("before transaction")
                connection.info[_WRITES] = True

        def ends(connection) -> None:
            connection.info.pop(_WRITES, None)

        listeners = {"before_cursor_execute": executes, "commit": ends, "rollback": ends}
        dialect.do_commit = watched
        for name, listener in listeners.items():
            event.listen(engine, name, listener)
        try:
            yield
        finally:
            del dialect.do_commit
            for name, listener in listeners.items():
                event.remove(engine, name, listener)
