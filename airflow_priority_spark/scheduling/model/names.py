# SPDX-License-Identifier: Apache-2.0
"""Names that both the picture and the decision use."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class QueueKey(NamedTuple):
    """A queue's identity: one namespace of one physical cluster."""

    cluster_id: str
    namespace: str


class Ineligible(StrEnum):
    """Why a queued job is not looked at; none of these is a capacity block and no clock runs."""

    HELD = "held"
    PAUSED = "paused"
    LIMIT = "limit"
    PREVIOUS_ATTEMPT = "previous-attempt"
