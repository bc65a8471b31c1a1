# SPDX-License-Identifier: Apache-2.0
"""The trigger a task defers with to be queued.

Its row in the trigger table *is* the request: the arbiter reads the kwargs there, takes the task off
the trigger and lets it wait on its own. So this code normally runs for a second at most. What is left
for it is to notice that no arbiter came.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.triggers.dag_test import in_dag_test

CLASSPATH: Final = "airflow_priority_spark.triggers.admission.AdmissionTrigger"


class AdmissionTrigger(BaseTrigger):
    """Waits to be claimed by an arbiter.

    :param request: JSON form of an ``AdmissionRequest``.
    :param unclaimed_seconds: after so long, and after each further stretch of it, it says that nobody came.
    :param on_unclaimed: ``wait``, or ``fail``/``legacy``: then it fires an event with outcome ``unclaimed``.
    """

    def __init__(
        self, request: dict[str, Any], unclaimed_seconds: float = 300.0, on_unclaimed: str = "wait"
    ) -> None:
        super().__init__()
        self.request = request
        self.unclaimed_seconds = unclaimed_seconds
        self.on_unclaimed = on_unclaimed

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and kwargs: plain JSON, for an arbiter that imports nothing of ours."""
        return CLASSPATH, {
            "request": self.request,
            "unclaimed_seconds": self.unclaimed_seconds,
            "on_unclaimed": self.on_unclaimed,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; the arbiter's claim cancels this coroutine, which needs no clean-up."""
        if in_dag_test():
            self.log.info("dag.test(): admitted at once, without a queue")
            yield TriggerEvent(AdmissionEvent(outcome="admitted", admission=1).to_payload())
            return
        began = time.monotonic()
        while True:
            await asyncio.sleep(self.unclaimed_seconds)
            waited = time.monotonic() - began
            reason = self._nobody_came(waited)
            if self.on_unclaimed != "wait":
                event = AdmissionEvent(outcome="unclaimed", waited_seconds=waited, reason=reason)
                yield TriggerEvent(event.to_payload())
                return
            self.log.warning("%s The task goes on waiting.", reason)

    def _nobody_came(self, waited: float) -> str:
        return (
            f"No arbiter has claimed this task for {waited:.0f} s. Check that one runs (airflow "
            "priority-spark check), that [priority_spark] arbiter is not off, that its log "
            f"shows no error, and that it reaches the cluster of connection {self._connection()!r}."
        )

    def _connection(self) -> str | None:
        return (self.request.get("connection") or {}).get("conn_id")
