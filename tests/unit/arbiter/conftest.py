# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.unit.arbiter.world import World


@pytest.fixture
def world(database):
    """An arbiter on a real database, whose cluster is what the test says it is."""
    return World(database)
