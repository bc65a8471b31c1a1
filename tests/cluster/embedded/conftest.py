# SPDX-License-Identifier: Apache-2.0
"""A control plane in the test's process, for tests that are coroutines."""

import pytest_asyncio

from tests.cluster.embedded.control_plane import ControlPlane


@pytest_asyncio.fixture
async def plane():
    """Verbs, quotas and the scheduler; nothing runs pods."""
    async with ControlPlane() as running:
        yield running
