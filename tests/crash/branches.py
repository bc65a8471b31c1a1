# SPDX-License-Identifier: Apache-2.0
"""One story with as many ends as it has points.

To tell a chapter from its beginning for every point of it costs twice as much as needed: until the point
nothing differs. So the story is told once, undisturbed, and at the beginning of each cycle the process
forks, once for every point of that cycle. The child takes a copy of the database along, its arbiter dies
or stops at that point, and it tells the rest. Between two cycles no connection is open, so that a fork and
a copy of the file are all it takes; it works on SQLite, and while nothing runs in threads.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from tests.crash.points import Points

#: A branch that takes longer hangs.
LONGEST_SECONDS: Final = 240
OUTCOME: Final = "outcome.json"


class Outcome(NamedTuple):
    """How a branch ended.

    :param acted: at how many points something happened.
    :param wrong: what is wrong, empty when nothing is.
    """

    point: int
    acted: int
    wrong: str


class Branches:
    """Sends branches off from an undisturbed telling, as many at a time as there are processors.

    :param by_cycle: the points of each cycle.
    :param copy: puts a copy of the database into a directory.
    :param move: lets this process go on with the copy there.
    :param first_wrong: send no more off once one has ended wrong.
    """

    def __init__(
        self,
        by_cycle: Iterable[Iterable[int]],
        where: Path,
        copy: Callable[[Path], None],
        move: Callable[[Path], None],
        *,
        first_wrong: bool = False,
    ) -> None:
        self._coming, self._where, self._copy, self._move = iter(by_cycle), where, copy, move
        self._first_wrong = first_wrong
        self._running: dict[int, int] = {}
        self.outcomes: list[Outcome] = []
        #: In a branch, its point.
        self.point = 0

    def cycle_begins(self, points: Points) -> None:
        """Send off the branches of the cycle that begins; called in each of them, too."""
        if self.point:
            return
        for point in next(self._coming, ()):
            self._wait(os.cpu_count() or 1)
            if self._first_wrong and any(outcome.wrong for outcome in self.outcomes):
                return
            home = self._where / str(point)
            home.mkdir()
            self._copy(home)
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(LONGEST_SECONDS)
                self.point = point
                self._move(home)
                points.when = point.__eq__
                return
            self._running[pid] = point

    def leave(self, acted: int, wrong: str) -> NoReturn:
        """End a branch."""
        (self._where / str(self.point) / OUTCOME).write_text(json.dumps([acted, wrong]))
        os._exit(0)

    def end(self) -> None:
        """Wait for all branches."""
        self._wait(1)

    def _wait(self, fewer_than: int) -> None:
        """Wait until fewer branches than that run."""
        while len(self._running) >= fewer_than:
            ended = [pid for pid in self._running if os.waitpid(pid, os.WNOHANG)[0]]
            for pid in ended:
                self._hear(self._running.pop(pid))
            if not ended:
                time.sleep(0.005)

    def _hear(self, point: int) -> None:
        home = self._where / str(point)
        said = home / OUTCOME
        acted, wrong = (
            json.loads(said.read_text()) if said.exists() else (0, "the branch ended without a word")
        )
        self.outcomes.append(Outcome(point, acted, wrong))
        shutil.rmtree(home)


def by_cycle(points: Points) -> list[range]:
    """Return the points of each cycle of an undisturbed telling."""
    ends = (*points.cycles[1:], len(points.reached))
    return [range(begin + 1, end + 1) for begin, end in zip(points.cycles, ends, strict=True)]
