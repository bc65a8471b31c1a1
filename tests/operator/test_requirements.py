# SPDX-License-Identifier: Apache-2.0
"""Every requirement has a test that bears its number."""

from __future__ import annotations

import re
from pathlib import Path

from tests.operator.requirements import REQUIREMENTS


def test_every_requirement_is_tested():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert {int(number) for number in re.findall(r"^def test_(\d\d)_", text, re.MULTILINE)} == set(
        REQUIREMENTS
    )
    assert sorted(REQUIREMENTS) == list(range(1, 20))
