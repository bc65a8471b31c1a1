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

from airflow_priority_spark.cluster.applications import Deletion, delete_application, get_application
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.spark.states import COMPLETED, quota_refusal
from airflow_priority_spark.triggers import settling
from airflow_priority_spark.triggers.clocks import Clocks, Limits
from airflow_priority_spark.triggers.following import DRIVER, EXECUTOR, Followed, SparkPod
from airflow_priority_spark.triggers.starvation import (
    FORGET_SECONDS,
    LOG_LINES,
    Shortage,
    ShortageClock,
)
from airflow_priority_spark.triggers.telling import SHOWN, Teller, last_lines, summarize
from airflow_priority_spark.triggers.watching import Snapshot, connect, follow

CLASSPATH: Final = "airflow_priority_spark.triggers.spark_application.SparkApplicationTrigger"
#: Seconds an application must be missing from the watch before, and between, single looks at it.
LOOK_SECONDS: Final = 5.0
#: Longest silence of the API server that a kill puts up with; Airflow gives it 30 s altogether.
KILL_READ_SECONDS: Final = 10.0
#: Seconds between two looks into the log of a driver that lacks executors, at least and at most.
_LOG_LOOK_SECONDS: Final = (1.0, 30.0)


class SparkApplicationTrigger(BaseEventTrigger):
    """Waits for the end of one SparkApplication; all of a namespace share one watch.

    It fires one event: ``{"status": "completed" | "failed" | "vanished" | "timed_out" | "starved", "state",
    "message", "driver_pod", "application_id", "executor_failures", "connection", "namespace", "name", "uid",
    "job_id", "admission", "action"}``; ``action`` is what the task does about a starved job.

    :param connection: JSON form of a ``ConnectionRef``.
    :param uid: of the application; another one of the same name is not it.
    :param job_id: for the task that resumes.
    :param admission: for the task that resumes.
    :param keep_application: leave the application when the task is killed.
    :param limits: JSON form of ``Limits``.
    :param executors: executors the job has reserved room for.
    :param on_starvation: ``warn``, ``fail`` or ``requeue``.
    """

    def __init__(  # noqa: PLR0913 - the row of a trigger is flat
        self,
        *,
        connection: dict[str, Any],
        namespace: str,
        name: str,
        uid: str,
        job_id: str = "",
        admission: int = 0,
        keep_application: bool = False,
        limits: dict[str, float] | None = None,
        executors: int = 0,
        on_starvation: str = "warn",
    ) -> None:
        super().__init__()
        self.connection = connection
        self.namespace, self.name, self.uid = namespace, name, uid
        self.job_id, self.admission = job_id, admission
        self.keep_application = keep_application
        self.limits = Limits.from_json(limits)
        self.executors, self.on_starvation = executors, on_starvation
        self._clocks, self._shortage = Clocks(self.limits), ShortageClock(executors)
        self._teller: Teller | None = None
        self._failed: dict[str, SparkPod] = {}
        self._looked_at = self._read_log_at = time.monotonic()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and kwargs: identifiers and numbers only."""
        return CLASSPATH, {
            "connection": self.connection,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "job_id": self.job_id,
            "admission": self.admission,
            "keep_application": self.keep_application,
            "limits": self.limits.to_json(),
            "executors": self.executors,
            "on_starvation": self.on_starvation,
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
        await asyncio.sleep(settling.left(started))
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
                delete_application,
                connection,
                self.namespace,
                self.name,
                self.uid,
                read_seconds=KILL_READ_SECONDS,
            )
        finally:
            connection.close()
        if result is Deletion.REQUESTED:
            self.log.info("The task was ended by hand: SparkApplication %s is being deleted", self._where)

    @property
    def _where(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def _says(self) -> Teller:
        # Not before the first word: the triggerer gives a trigger its log after it has made it.
        if self._teller is None:
            self._teller = Teller(self.log, self._where)
        return self._teller

    async def _judge(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """Return the event's payload once there is something to tell the task."""
        self._says.watch("applications", snapshot.error)
        app = snapshot.applications.get(self.name)
        if app is not None and app.view.uid == self.uid:
            self._looked_at = time.monotonic()
            return await self._follow(app, snapshot)
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
            self._says.watch("applications", str(error))
            return None
        if view is not None and view.uid == self.uid:
            return await self._follow(Followed(view), snapshot)
        other = " (another one of its name took its place)" if view is not None else ""
        return self._payload("vanished", message=f"SparkApplication {self._where} was deleted{other}")

    async def _follow(self, app: Followed, snapshot: Snapshot) -> dict[str, Any] | None:
        pods = snapshot.pods.get(app.pods_key, ())
        driver = _driver(app, pods)
        self._says.state(app, driver)
        self._says.watch("pods", snapshot.pods_error)
        await self._take_failures(app, snapshot)
        if app.view.terminal:
            status = "completed" if app.view.state == COMPLETED else "failed"
            # The operator's words may quote what it was given, and the event lies in the database in clear.
            return self._payload(status, app, message=quota_refusal(app.view.error))
        executors = [pod for pod in pods if pod.role == EXECUTOR]
        self._says.waiting(DRIVER, [pod for pod in pods if pod.role == DRIVER])
        self._says.waiting(EXECUTOR, executors)
        now = time.time()
        overdue = self._clocks.look(app, driver, pods_known=snapshot.pods_synced, now=now)
        if overdue is not None:
            return self._payload("timed_out", app, message=overdue.sentence)
        shortage = self._shortage.look(app, driver, executors, now)
        if shortage is None or driver is None or not self.limits.executor_readiness:
            return None
        await self._look_for_refusal(shortage, driver, snapshot)
        return self._starve(shortage, app)

    def _starve(self, shortage: Shortage, app: Followed) -> dict[str, Any] | None:
        limit = self.limits.executor_readiness
        if not shortage.message or shortage.seconds <= limit:
            return None
        if self.on_starvation == "warn":
            self._says.shortage(shortage, limit)
            return None
        return self._payload("starved", app, message=shortage.sentence(limit))

    async def _look_for_refusal(self, shortage: Shortage, driver: SparkPod, snapshot: Snapshot) -> None:
        """Look into the driver's log, now and then, for a quota that refuses the executors it lacks."""
        least, most = _LOG_LOOK_SECONDS
        pause = min(most, max(least, self.limits.executor_readiness / 4))
        if time.monotonic() - self._read_log_at < pause or not shortage.missing:
            return
        if snapshot.connection is None:
            return
        self._read_log_at = time.monotonic()
        # What was refused long ago may have been granted since; Spark asks, and complains, every second.
        lines = await asyncio.to_thread(
            last_lines, snapshot.connection, driver, lines=LOG_LINES, since=FORGET_SECONDS
        )
        refusal = quota_refusal("\n".join(lines))
        if refusal:
            self._shortage.refused(refusal, time.time())

    async def _take_failures(self, app: Followed, snapshot: Snapshot) -> None:
        """Say which executors have failed since the last look, the first of them with their last lines."""
        for pod in snapshot.failures.get(app.pods_key, ()):
            if pod.name in self._failed:
                continue
            self._failed[pod.name] = pod
            lines: list[str] = []
            if len(self._failed) <= SHOWN and snapshot.connection is not None:
                lines = await asyncio.to_thread(last_lines, snapshot.connection, pod)
            self._says.failed(pod, lines)

    def _payload(self, status: str, app: Followed | None = None, *, message: str = "") -> dict[str, Any]:
        return {
            "status": status,
            "state": app.view.state if app else "",
            "message": message,
            "driver_pod": app.view.driver_pod if app else "",
            "application_id": app.application_id if app else "",
            "executor_failures": summarize(self._failed.values()),
            "connection": self.connection,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "job_id": self.job_id,
            "admission": self.admission,
            "action": self.on_starvation if status == "starved" else "",
        }


def _driver(app: Followed, pods: tuple[SparkPod, ...]) -> SparkPod | None:
    """Return the driver pod: the one the operator names, else the newest (a rerun makes another)."""
    drivers = [pod for pod in pods if pod.role == DRIVER]
    named = [pod for pod in drivers if pod.name == app.view.driver_pod]
    return max(named or drivers, key=lambda pod: pod.created, default=None)
