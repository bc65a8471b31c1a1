# SPDX-License-Identifier: Apache-2.0
"""The examples of a page: its fenced blocks, and the comment that says what a block is."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from demo.plan import ROOT

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """A block; ``mark`` is the comment above it, ``line`` where its text begins."""

    language: str
    mark: str
    text: str
    line: int


def examples(page: str) -> list[Example]:
    """Return the blocks of ``docs/<page>``."""
    whole = (ROOT / "docs" / page).read_text()
    return [
        Example(
            found["language"],
            found["mark"] or "",
            textwrap.dedent(found["text"]),
            whole.count("\n", 0, found.start("text")) + 1,
        )
        for found in _BLOCK.finditer(whole)
    ]


def of_language(page: str, language: str) -> list[Example]:
    """Return the blocks of one language."""
    return [example for example in examples(page) if example.language == language]
