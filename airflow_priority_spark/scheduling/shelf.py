# SPDX-License-Identifier: Apache-2.0
"""A sorted list of free rooms in which the first that is large enough is found quickly.

Rooms are vectors, sorted by their first part (CPU), then the next. The best fit for a pod is the
first room, from the pod's own size upward, that is large enough in every part. On a cluster whose
CPU is free but whose memory is not, that is a long walk; so the list is kept in blocks, and a block
whose greatest parts are too small is skipped whole.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any

#: Amounts in the order of a pool's dimensions; negative where a node is over-committed.
Vector = tuple[int, ...]
#: What must be there: (index, amount) for each part that is asked for.
Parts = tuple[tuple[int, int], ...]

_FULL = 128


class Shelf:
    """Distinct vectors in order.

    :param vectors: distinct, in any order.
    """

    __slots__ = ("_blocks", "_lasts", "_tops")

    def __init__(self, vectors: Iterable[Vector]) -> None:
        ordered, half = sorted(vectors), _FULL // 2
        self._blocks = [ordered[start : start + half] for start in range(0, len(ordered), half)]
        self._lasts = [block[-1] for block in self._blocks]
        #: Per block, at least the greatest of each part; what is taken out may leave it too great.
        self._tops = [_top(block) for block in self._blocks]

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def __iter__(self) -> Iterator[Vector]:
        for block in self._blocks:
            yield from block

    def add(self, vector: Vector) -> None:
        """Enter a vector that is not there."""
        if not self._blocks:
            self._blocks, self._lasts, self._tops = [[vector]], [vector], [vector]
            return
        at = min(bisect_left(self._lasts, vector), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, vector)
        self._lasts[at] = block[-1]
        self._tops[at] = tuple(map(max, self._tops[at], vector))
        if len(block) > _FULL:
            self._split(at)

    def _split(self, at: int) -> None:
        block = self._blocks[at]
        halves = [block[: _FULL // 2], block[_FULL // 2 :]]
        self._blocks[at : at + 1] = halves
        self._lasts[at : at + 1] = [half[-1] for half in halves]
        self._tops[at : at + 1] = [_top(half) for half in halves]

    def remove(self, vector: Vector) -> None:
        """Take out a vector that is there."""
        at = bisect_left(self._lasts, vector)
        block = self._blocks[at]
        del block[bisect_left(block, vector)]
        if block:
            self._lasts[at] = block[-1]
        else:
            del self._blocks[at], self._lasts[at], self._tops[at]

    def first_fit(self, parts: Parts, least: Vector) -> Vector | None:
        """Return the first vector, from ``least`` upward, in which all parts fit."""
        for at in range(bisect_left(self._lasts, least), len(self._blocks)):
            if _fits(parts, self._tops[at]):
                for vector in self._blocks[at]:
                    if _fits(parts, vector):
                        return vector
                self._tops[at] = _top(self._blocks[at])
        return None

    def fitting(self, parts: Parts) -> Iterator[Vector]:
        """Yield every vector in which all parts fit, in order; the shelf must not change meanwhile."""
        for block, top in zip(self._blocks, self._tops, strict=True):
            if _fits(parts, top):
                for vector in block:
                    if _fits(parts, vector):
                        yield vector

    def greatest(self, score: Callable[[Vector], Any]) -> Vector | None:
        """Return the vector with the greatest score, ``None`` when there is none.

        :param score: does not fall when a part of a vector grows.
        """
        best: tuple[Any, Vector] | None = None
        for bound, at in sorted(((score(top), at) for at, top in enumerate(self._tops)), reverse=True):
            if best is not None and bound < best[0]:
                break
            found = max((score(vector), vector) for vector in self._blocks[at])
            best = found if best is None else max(best, found)
        return None if best is None else best[1]


def _fits(parts: Parts, vector: Vector) -> bool:
    for index, amount in parts:  # noqa: SIM110 - a generator here doubles the time of a decision
        if vector[index] < amount:
            return False
    return True


def _top(block: list[Vector]) -> Vector:
    return tuple(map(max, zip(*block, strict=True)))
