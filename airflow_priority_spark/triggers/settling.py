# SPDX-License-Identifier: Apache-2.0
"""How long a trigger keeps its event to itself.

A task that runs again before its scheduler has seen the worker end is failed by it
(https://github.com/apache/airflow/issues/72716), and a worker may notice that end only after
``[workers] min_heartbeat_interval``, 5 s by default.
"""

from __future__ import annotations

import time
from typing import Final

#: Seconds from the start of a trigger to its event at the earliest.
SETTLE_SECONDS: Final = 7.0


def left(started: float) -> float:
    """Return the seconds that a trigger still has to wait.

    :param started: when it began, in seconds of ``time.monotonic``.
    """
    return max(0.0, started + SETTLE_SECONDS - time.monotonic())
