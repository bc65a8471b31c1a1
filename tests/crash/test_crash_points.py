# SPDX-License-Identifier: Apache-2.0
"""An arbiter may die, or stop for a while, at any point of a cycle.

Each chapter is told once undisturbed, which counts its points, and then again and again: the arbiter dies
at one of them, another takes over, and everything must hold at every step and end as it ended before.
"""

from __future__ import annotations

import time

import pytest

from tests.crash.chapters import CHAPTERS, Chapter
from tests.crash.invariants import Broken
from tests.crash.points import Points

#: In the short run an arbiter dies at every so manieth point of a chapter, again and again in one telling.
STRIDE = 23

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
    with sites(points, **chapter.settings) as site:
        try:
            chapter.tell(site)
        except AssertionError as error:
            where = [f"{number} ({name})" for number, name in enumerate(points.reached, 1) if when(number)]
            what = "slept" if sleeping else "died"
            raise Broken(
                f"{chapter.name}: the arbiter {what} at {', '.join(where) or 'no point'}: {error}"
            ) from error
    return points


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
def test_at_every_point(chapter, sleeping, sites, figures):
    check_every_point(chapter, sleeping, sites, figures, "sqlite", 1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@on_postgresql
@each_chapter
def test_on_postgresql(chapter, sites, figures):
    check_every_point(chapter, False, sites, figures, "postgresql", 5)


def check_every_point(chapter, sleeping, sites, figures, kind, stride) -> None:
    """Tell the chapter once for every point, or for every so manieth."""
    begun = time.monotonic()
    count = len(tell(sites, chapter, sleeping=sleeping).reached)
    acted, wrong = 0, []
    for point in range(1, count + 1, stride):
        try:
            acted += tell(sites, chapter, at(point), sleeping=sleeping).acted
        except Broken as error:
            wrong.append(str(error))
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
    assert acted > 0
    assert not wrong, f"{len(wrong)} of {acted}:\n" + "\n\n".join(wrong[:5])
