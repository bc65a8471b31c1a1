# SPDX-License-Identifier: Apache-2.0
"""The trigger a task defers with while its SparkApplication lives.

The operator's word (``status.applicationState``) decides, not the driver pod's phase: a restart
policy may turn a failed driver into a running application again. Whoever is silent is waited for;
"vanished" is said only after the API server itself has said that there is no such object.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import aclosing
from typing import Any, Final

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_priority_spark.cluster.applications import (
    ApplicationView,
    Deletion,
    delete_application,
    get_application,
)
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.spark.states import COMPLETED
from airflow_priority_spark.triggers.watching import Snapshot, connect, follow

CLASSPATH: Final = "airflow_priority_spark.triggers.spark_application.SparkApplicationTrigger"
#: Seconds an application must be missing from the watch before, and between, single looks at it.
LOOK_SECONDS: Final = 5.0
#: Seconds from the start of the trigger to its event at the earliest. A task that runs again before its
#: scheduler has seen the worker end is failed by it (https://github.com/apache/airflow/issues/72716), and a
#: worker may notice that end only after ``[workers] min_heartbeat_interval``, 5 s by default.
SETTLE_SECONDS: Final = 7.0


class SparkApplicationTrigger(BaseEventTrigger):
    """Waits for the end of one SparkApplication; all of a namespace share one watch.

    It fires one event: ``{"status": "completed" | "failed" | "vanished", "state", "message",
    "driver_pod", "namespace", "name", "uid", "job_id", "admission"}``.

    :param connection: JSON form of a ``ConnectionRef``.
    :param uid: of the application; another one of the same name is not it.
    :param job_id: for the task that resumes.
    :param admission: for the task that resumes.
    :param keep_application: leave the application when the task is killed.
    """

    def __init__(
        self,
        *,
        connection: dict[str, Any],
        namespace: str,
        name: str,
        uid: str,
        job_id: str = "",
        admission: int = 0,
        keep_application: bool = False,
    ) -> None:
        super().__init__()
        self.connection = connection
        self.namespace, self.name, self.uid = namespace, name, uid
        self.job_id, self.admission = job_id, admission
        self.keep_application = keep_application
        self._said: tuple[str, str] | None = None
        self._interrupted = False
        self._looked_at = time.monotonic()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and kwargs: identifiers only."""
        return CLASSPATH, {
            "connection": self.connection,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "job_id": self.job_id,
            "admission": self.admission,
            "keep_application": self.keep_application,
        }

    def shared_stream_key(self) -> Hashable:
        """Share one watch per connection and namespace."""
        return (CLASSPATH, ConnectionRef.from_json(self.connection).alias(), self.namespace)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncGenerator[Snapshot, None]:
        """Yield snapshots of the namespace for ever."""
        ref = ConnectionRef.from_json(kwargs["connection"])
        async with aclosing(follow(ref, kwargs["namespace"])) as snapshots:
            async for snapshot in snapshots:
                yield snapshot

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Snapshot]
    ) -> AsyncIterator[TriggerEvent]:
        """Fire once our application has ended."""
        started = time.monotonic()
        payload = await self._await_end(shared_stream)
        await asyncio.sleep(max(0.0, started + SETTLE_SECONDS - time.monotonic()))
        yield TriggerEvent(payload)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, where nobody shares and no scheduler looks on: under ``dag.test()``."""
        async with aclosing(self.open_shared_stream(self.serialize()[1])) as stream:
            payload = await self._await_end(stream)
        yield TriggerEvent(payload)

    async def _await_end(self, snapshots: AsyncIterator[Snapshot]) -> dict[str, Any]:
        async for snapshot in snapshots:
            payload = await self._judge(snapshot)
            if payload is not None:
                return payload
        raise AssertionError("the stream of snapshots never ends")

    async def on_kill(self) -> None:
        """Delete the application because a person ended the task; safe to repeat."""
        if self.keep_application:
            self.log.info("SparkApplication %s is kept, as on_kill_action asks", self._where)
            return
        connection = await connect(ConnectionRef.from_json(self.connection))
        try:
            result = await asyncio.to_thread(
                delete_application, connection, self.namespace, self.name, self.uid
            )
        finally:
            connection.close()
        if result is Deletion.REQUESTED:
            self.log.info("The task was ended by hand: SparkApplication %s is being deleted", self._where)

    @property
    def _where(self) -> str:
        return f"{self.namespace}/{self.name}"

    async def _judge(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """Return the event's payload once the application has ended or is gone."""
        self._tell_error(snapshot.error)
        view = snapshot.applications.get(self.name)
        if view is not None and view.uid == self.uid:
            self._looked_at = time.monotonic()
            return self._follow(view)
        if snapshot.synced and time.monotonic() - self._looked_at >= LOOK_SECONDS:
            return await self._look(snapshot)
        return None

    async def _look(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """Ask the API server itself: a watch that lags must not fail a running job."""
        self._looked_at = time.monotonic()
        if snapshot.connection is None:
            return None
        try:
            view = await asyncio.to_thread(get_application, snapshot.connection, self.namespace, self.name)
        except PrioritySparkError as error:
            self._tell_error(str(error))
            return None
        if view is not None and view.uid == self.uid:
            return self._follow(view)
        other = " (another one of its name took its place)" if view is not None else ""
        return self._payload("vanished", message=f"SparkApplication {self._where} was deleted{other}")

    def _follow(self, view: ApplicationView) -> dict[str, Any] | None:
        self._tell_state(view)
        if not view.terminal:
            return None
        status = "completed" if view.state == COMPLETED else "failed"
        return self._payload(status, state=view.state, message=view.error, driver_pod=view.driver_pod)

    def _payload(
        self, status: str, *, state: str = "", message: str = "", driver_pod: str = ""
    ) -> dict[str, Any]:
        return {
            "status": status,
            "state": state,
            "message": message,
            "driver_pod": driver_pod,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "job_id": self.job_id,
            "admission": self.admission,
        }

    def _tell_state(self, view: ApplicationView) -> None:
        now = (view.state, view.driver_pod)
        if now == self._said:
            return
        before = self._said[0] if self._said else None
        self._said = now
        arrow = f"{before or 'new'} -> " if before is not None and before != view.state else ""
        driver = f", driver pod {view.driver_pod}" if view.driver_pod else ""
        error = f": {view.error}" if view.error else ""
        self.log.info("SparkApplication %s: %s%s%s%s", self._where, arrow, view.state or "new", driver, error)

    def _tell_error(self, error: str) -> None:
        """Say once that the watch is interrupted, however often the reason changes, and when it is not."""
        if bool(error) == self._interrupted:
            return
        self._interrupted = bool(error)
        if error:
            self.log.warning("The watch is interrupted and goes on trying: %s", error)
        else:
            self.log.info("The watch is in step again")
