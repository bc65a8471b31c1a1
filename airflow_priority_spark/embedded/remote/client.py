# SPDX-License-Identifier: Apache-2.0
"""Another API server as a ``ClusterClient``: reads and writes over HTTP, changes from mirrors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from airflow_priority_spark.embedded.client import Listener
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import EVENTS, NAMESPACES, PODS, Kind
from airflow_priority_spark.embedded.objects import Object, event_about
from airflow_priority_spark.embedded.remote.api import JSON_PATCH, RemoteApi, path_of
from airflow_priority_spark.embedded.remote.mirror import Mirror

# Refusals that mean: somebody else has been there first.
_OVERTAKEN = (404, 409)


class RemoteClient:
    """The API server behind ``api``; ``follow`` begins to tell the listeners."""

    def __init__(self, api: RemoteApi) -> None:
        self._api = api
        self._mirrors: dict[Kind, Mirror] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def follow(self) -> None:
        """Watch every kind that somebody listens to; returns once all have been listed."""
        self._tasks = [asyncio.create_task(mirror.run()) for mirror in self._mirrors.values()]
        for mirror in self._mirrors.values():
            await mirror.synced.wait()

    def stop(self) -> None:
        """End all watches."""
        for task in self._tasks:
            task.cancel()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or ``None``."""
        try:
            found: Object = await self._api.request("GET", path_of(kind, namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found

    async def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[Object]:
        """Return the objects of a namespace, or of all, that match a label selector."""
        query = {"labelSelector": labels} if labels else None
        found = await self._api.request("GET", path_of(kind, namespace), query=query)
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in found["items"]]

    async def create(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object; raises ``ApiError``."""
        named = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        made: Object = await self._api.request("POST", path_of(kind, namespace), named)
        self._wrote(kind, made)
        return made

    async def set_status(self, kind: Kind, obj: Object, status: Mapping[str, Any]) -> None:
        """Replace an object's status; nothing happens when the object is gone."""
        patch = [
            {"op": "replace", "path": "/metadata/uid", "value": obj["metadata"]["uid"]},
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        path = path_of(kind, *_key(obj), "status")
        written = await _quietly(self._api.request("PATCH", path, patch, content_type=JSON_PATCH))
        if written is not None:
            self._wrote(kind, written)

    async def delete(self, kind: Kind, obj: Object, grace_seconds: int | None = None) -> None:
        """Delete this very object (by its uid); nothing happens when it is gone."""
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": obj["metadata"]["uid"]},
            "propagationPolicy": "Background",
        }
        options |= {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        await _quietly(self._api.request("DELETE", path_of(kind, *_key(obj)), options))

    async def bind(self, pod: Object, node: str) -> None:
        """Give a pod its node; nothing happens when it is gone or has one."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": _key(pod)[1]}, "target": target}
        await _quietly(self._api.request("POST", path_of(PODS, *_key(pod), "binding"), body))

    async def remove_namespace(self, name: str) -> None:
        """Finish the deletion of an emptied namespace."""
        namespace = await self.get(NAMESPACES, "", name)
        if namespace is not None:
            body = {**namespace, "spec": {"finalizers": []}}
            await _quietly(
                self._api.request("PUT", path_of(NAMESPACES, name=name, subresource="finalize"), body)
            )

    async def record_event(
        self, about: Object, severity: str, reason: str, message: str, component: str
    ) -> None:
        """Write an Event about an object; one that a namespace takes no more is left out."""
        body = event_about(about, severity, reason, message, component)
        try:
            await self.create(EVENTS, body["metadata"]["namespace"], body)
        except ApiError as error:
            if error.code not in (*_OVERTAKEN, 403):
                raise

    def listen(self, kind: Kind, listener: Listener) -> None:
        """Hear of every change of a kind; what exists already is told as ``ADDED``."""
        self._mirrors.setdefault(kind, Mirror(self._api, kind)).listen(listener)

    def _wrote(self, kind: Kind, obj: Object) -> None:
        if kind in self._mirrors:
            self._mirrors[kind].wrote(obj)


async def _quietly(action: Awaitable[Any]) -> Any:
    """Do something to an object that may have gone or been replaced in the meantime."""
    try:
        return await action
    except ApiError as error:
        if error.code not in _OVERTAKEN:
            raise
        return None


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
