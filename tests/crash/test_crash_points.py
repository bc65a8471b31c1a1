# SPDX-License-Identifier: Apache-2.0
"""An arbiter may die at any point of a cycle."""

from __future__ import annotations

import pytest

from tests.crash.chapters import CHAPTERS
from tests.crash.points import Points


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_without_a_crash(chapter, sites):
    points = Points()
    import time
    t = time.monotonic()
    with sites(points, **chapter.settings) as site:
        chapter.tell(site)
    print(chapter.name, len(points.reached), sum("DELETE" in p for p in points.reached), site.now, time.monotonic() - t)
