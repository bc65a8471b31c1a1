# SPDX-License-Identifier: Apache-2.0
"""The scheduler's sentences and choices, on nodes of the chapter's own.

Nodes carry the label ``own`` and pods ask for it, so that no other pod of the cluster comes in between.
"""

from __future__ import annotations

from tests.cluster.conformance.request import Request

REQUESTS: list[Request] = []
