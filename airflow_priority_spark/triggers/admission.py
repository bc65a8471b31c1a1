# SPDX-License-Identifier: Apache-2.0
"""The trigger with which a task enqueues itself.

Deferring is enqueueing: the trigger's row in Airflow's database is the request, and nothing else is
sent. The arbiter reads it and takes the task off the trigger, which cancels this coroutine; so all that is
left to do here is to notice when nobody comes, and to say so where the author looks: in the task log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.request import ON_UNCLAIMED

CLASSPATH: Final = "airflow_priority_spark.triggers.admission.AdmissionTrigger"


class AdmissionTrigger(BaseTrigger):
    """Waits to be claimed by the arbiter.

    :param request: ``AdmissionRequest.to_json()``: demand and identifiers, never a manifest.
    :param unclaimed_seconds: after so long without an arbiter it says so, and again after as long.
    :param on_unclaimed: ``wait`` goes on, ``fail`` and ``legacy`` resume the task to act.
    """

    def __init__(
        self, request: dict[str, Any], unclaimed_seconds: float = 300.0, on_unclaimed: str = "wait"
    ) -> None:
        super().__init__()
        if on_unclaimed not in ON_UNCLAIMED:
            raise ValueError(
                f"on_unclaimed: {on_unclaimed!r} is not valid; allowed: {', '.join(ON_UNCLAIMED)}"
            )
        self.request = request
        self.unclaimed_seconds = float(unclaimed_seconds)
        self.on_unclaimed = on_unclaimed

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and plain JSON arguments."""
        return CLASSPATH, {
            "request": self.request,
            "unclaimed_seconds": self.unclaimed_seconds,
            "on_unclaimed": self.on_unclaimed,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; yield only when nobody claims the task and the author wants something done about it."""
        waited = 0.0
        while True:
            await asyncio.sleep(self.unclaimed_seconds)
            waited += self.unclaimed_seconds
            reason = (
                f"no arbiter has claimed this task for {waited:.0f} s; is one running? "
                "(airflow priority-spark status; [priority_spark] arbiter; the scheduler's log)"
            )
            self.log.warning("Still not in a queue: %s", reason)
            if self.on_unclaimed != "wait":
                yield TriggerEvent(AdmissionEvent(outcome="unclaimed", reason=reason).to_payload())
                return
