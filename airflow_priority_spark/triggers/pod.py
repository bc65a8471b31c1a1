# SPDX-License-Identifier: Apache-2.0
"""The stock pod trigger, but not sooner than Airflow can take its event.

A pod may have ended when its trigger first looks at it. Airflow fails a task that runs again before its
scheduler has seen the worker end, so the event waits until it must have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.triggers.base import TriggerEvent

from airflow_priority_spark.triggers import settling
from airflow_priority_spark.triggers.dag_test import in_dag_test

CLASSPATH: Final = "airflow_priority_spark.triggers.pod.PriorityPodTrigger"


class PriorityPodTrigger(KubernetesPodTrigger):  # type: ignore[misc] # Airflow ships no types
    """Waits for a pod as the stock trigger does; takes what it takes."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and kwargs."""
        return CLASSPATH, super().serialize()[1]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire what the stock trigger fires, once the worker has ended for certain."""
        started = time.monotonic()
        async for event in super().run():
            if not in_dag_test():
                await asyncio.sleep(settling.left(started))
            yield event
