# SPDX-License-Identifier: Apache-2.0
"""An arbiter may die, or stop for a while, at any point of a cycle.

Each chapter is told once undisturbed, which counts its points, and then again and again: the arbiter dies
at one of them, another takes over, and everything must hold at every step and end as it ended before.
"""

from __future__ import annotations

import time

import pytest

from tests.crash.branches import Branches, Outcome, by_cycle
from tests.crash.chapters import CHAPTERS, Chapter
from tests.crash.invariants import Broken
from tests.crash.points import Points

#: In the short run an arbiter dies at every so manieth point of a chapter, again and again in one telling.
STRIDE = 23
#: On PostgreSQL it dies at every so manieth point: what a commit is there differs, not what is committed.
SAMPLE = 20

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
on_postgresql = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)]
)


def tell(sites, chapter: Chapter, when=lambda _: False, *, sleeping: bool = False) -> Points:
    """Tell a chapter; return its points.

    :raises AssertionError: naming the chapter and the points at which something happened.
    """
    points = Points(when, sleeping=sleeping)
    tell_with(sites, chapter, points)
    return points


def tell_with(sites, chapter: Chapter, points: Points) -> None:
    with sites(points, **chapter.settings) as site:
        try:
            chapter.tell(site)
        except AssertionError as error:
            reached = enumerate(points.reached, 1)
            where = [f"{number} ({name})" for number, name in reached if points.when(number)]
            what = "slept" if points.sleeping else "died"
            raise Broken(
                f"{chapter.name}: the arbiter {what} at {', '.join(where) or 'no point'}: {error}"
            ) from error


def at(point: int):
    return lambda number: number == point


@on_sqlite
@each_chapter
def test_an_arbiter_dies_now_and_then(chapter, sites):
    points = tell(sites, chapter, lambda number: number % STRIDE == STRIDE // 2)
    print(f"{chapter.name}: killed at {points.acted} of {len(points.reached)} points")
    assert points.acted > 0


@pytest.mark.long
@on_sqlite
@each_chapter
def test_an_arbiter_stops_now_and_then_and_wakes_when_another_leads(chapter, sites):
    points = tell(sites, chapter, lambda number: number % STRIDE == 5, sleeping=True)
    print(f"{chapter.name}: stopped at {points.acted} of {len(points.reached)} points")
    assert points.acted > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sleeping", [False, True], ids=["dies", "stops"])
@on_sqlite
@each_chapter
def test_at_every_point(chapter, sleeping, sites, file, figures, tmp_path):
    begun = time.monotonic()
    points, outcomes = tell_every_end(sites, file, tmp_path, chapter, sleeping=sleeping)
    keep(figures, "sqlite", chapter, sleeping, len(points.reached), outcomes, begun)


@pytest.mark.long
@pytest.mark.timeout(3600)
@on_postgresql
@each_chapter
def test_at_some_points_on_postgresql(chapter, sites, figures):
    begun = time.monotonic()
    count = len(tell(sites, chapter).reached)
    outcomes = []
    for point in range(1 + len(chapter.name) % SAMPLE, count + 1, SAMPLE):
        try:
            outcomes.append(Outcome(point, tell(sites, chapter, at(point)).acted, ""))
        except Broken as error:
            outcomes.append(Outcome(point, 1, str(error)))
    keep(figures, "postgresql", chapter, False, count, outcomes, begun)


def tell_every_end(
    sites, file, where, chapter: Chapter, *, sleeping: bool = False, first_wrong: bool = False
) -> tuple[Points, list[Outcome]]:
    """Tell a chapter undisturbed, and from each of its points on with an arbiter that dies or stops there.

    :param first_wrong: one end that is wrong is enough.
    """
    counted = tell(sites, chapter, sleeping=sleeping)
    branches = Branches(by_cycle(counted), where, file.copy, file.move, first_wrong=first_wrong)
    points = Points(sleeping=sleeping)
    points.begins = branches.cycle_begins
    wrong = ""
    try:
        tell_with(sites, chapter, points)
    except BaseException as error:
        if not branches.point:
            raise
        wrong = str(error) if isinstance(error, Broken) else repr(error)
    if branches.point:
        branches.leave(points.acted, wrong)
    branches.end()
    assert len(points.reached) == len(counted.reached), "the chapter is not the same each time"
    return points, branches.outcomes


def keep(figures, kind, chapter, sleeping, count, outcomes, begun) -> None:
    """Keep the figures of a chapter.

    :raises AssertionError: when one of its ends is wrong.
    """
    acted = sum(outcome.acted for outcome in outcomes)
    wrong = [outcome.wrong for outcome in sorted(outcomes) if outcome.wrong]
    figures.add(
        "points",
        database=kind,
        chapter=chapter.name,
        act="stop" if sleeping else "kill",
        points=count,
        acted=acted,
        broken=len(wrong),
        wall_s=round(time.monotonic() - begun, 1),
    )
    print(f"{chapter.name} on {kind}: {'stopped' if sleeping else 'killed'} at {acted} of {count} points")
    assert not wrong, f"{len(wrong)} of {acted}:\n" + "\n\n".join(wrong[:5])
    assert acted == len(outcomes) > 0
