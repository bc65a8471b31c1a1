# SPDX-License-Identifier: Apache-2.0
"""Waits until a SparkApplication has ended, without a worker slot and without a poll of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Any, Final

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_priority_spark.spark.manifest import GROUP, PLURAL, VERSION
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.spark.states import COMPLETED, ApplicationStatus, is_quota_refusal, read_status
from airflow_priority_spark.triggers.applications_stream import Picture, async_hook, pictures

CLASSPATH: Final = "airflow_priority_spark.triggers.spark_application.SparkApplicationTrigger"
#: A worker needs no longer to delete an application, and Airflow waits 30 s for ``on_kill``.
KILL_SECONDS: Final = 20


class SparkApplicationTrigger(BaseEventTrigger):
    """Follows one application by name and UID.

    Yields one event ``{"status": …, "state", "message", "driver_pod", "uid"}`` with status ``completed``,
    ``failed``, ``refused`` (a quota refused the driver: nothing ran) or ``vanished`` (the application is
    gone, confirmed by a read of its own).

    :param connection: ``ConnectionRef.to_json()``.
    :param name: of the application.
    :param uid: of the application; another object of the same name is another application.
    :param delete_on_kill: delete the application when a person ends the task.
    """

    def __init__(
        self,
        connection: dict[str, Any],
        namespace: str,
        name: str,
        uid: str,
        delete_on_kill: bool = True,
    ) -> None:
        super().__init__()
        self.connection = connection
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.delete_on_kill = delete_on_kill
        self._said = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and plain JSON arguments: identifiers only."""
        return CLASSPATH, {
            "connection": self.connection,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "delete_on_kill": self.delete_on_kill,
        }

    def shared_stream_key(self) -> Hashable | None:
        """One watch per connection and namespace."""
        return (CLASSPATH, ConnectionRef.from_json(self.connection).alias(), self.namespace)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Picture]:
        """Yield pictures of the namespace, for ever."""
        async for picture in pictures(ConnectionRef.from_json(kwargs["connection"]), kwargs["namespace"]):
            yield picture

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Picture]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield the end of our application, when a picture shows it."""
        async for picture in shared_stream:
            payload = await self._look(picture)
            if payload is not None:
                yield TriggerEvent(payload)
                return

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same with a watch of our own, where nothing can be shared (``dag.test()``)."""
        stream = pictures(ConnectionRef.from_json(self.connection), self.namespace)
        try:
            async for picture in stream:
                payload = await self._look(picture)
                if payload is not None:
                    yield TriggerEvent(payload)
                    return
        finally:
            await stream.aclose()  # type: ignore[attr-defined] # an async generator

    async def _look(self, picture: Picture) -> dict[str, Any] | None:
        status = picture.get(self.name)
        if status is None or status.uid != self.uid:
            status = await self._confirm()
            if status is None:
                return self._payload("vanished", ApplicationStatus(self.name, self.uid))
        self._say(status)
        return self._end(status)

    def _say(self, status: ApplicationStatus) -> None:
        """Write every change of state to the task log, once."""
        text = f"Application {self.name} is {status.state or 'new'}"
        if status.message:
            text += f": {status.message}"
        if text != self._said:
            self.log.info(text)
            self._said = text

    def _end(self, status: ApplicationStatus) -> dict[str, Any] | None:
        if status.state == COMPLETED:
            return self._payload("completed", status)
        if status.state == "FAILED":
            return self._payload("refused" if is_quota_refusal(status.message) else "failed", status)
        return None

    @staticmethod
    def _payload(what: str, status: ApplicationStatus) -> dict[str, Any]:
        return {
            "status": what,
            "state": status.state,
            "message": status.message,
            "driver_pod": status.driver_pod,
            "name": status.name,
            "uid": status.uid,
        }

    async def _confirm(self) -> ApplicationStatus | None:
        """Read the application itself: the picture may be older than it."""
        from kubernetes_asyncio.client import ApiException, CustomObjectsApi

        try:
            async with async_hook(ConnectionRef.from_json(self.connection)).get_conn() as client:
                found: Mapping[str, Any] = await CustomObjectsApi(client).get_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, self.name
                )
        except ApiException as error:
            if error.status == 404:
                return None
            return ApplicationStatus(self.name, self.uid, state="UNKNOWN", message=str(error.reason))
        except Exception as error:
            return ApplicationStatus(self.name, self.uid, state="UNKNOWN", message=type(error).__name__)
        status = read_status(found)
        return status if status.uid == self.uid else None

    async def on_kill(self) -> None:
        """Delete the application of a task that a person ended; the arbiter does it if this is lost."""
        if not self.delete_on_kill:
            return
        from kubernetes_asyncio.client import ApiException, CustomObjectsApi

        try:
            async with async_hook(ConnectionRef.from_json(self.connection)).get_conn() as client:
                await CustomObjectsApi(client).delete_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    PLURAL,
                    self.name,
                    body={"preconditions": {"uid": self.uid}, "propagationPolicy": "Background"},
                    _request_timeout=KILL_SECONDS,
                )
            self.log.info("Deleted application %s: the task was ended", self.name)
        except ApiException as error:
            if error.status not in (404, 409):
                raise
