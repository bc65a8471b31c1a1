# SPDX-License-Identifier: Apache-2.0
"""The API as the controllers see it.

They know nothing else of the cluster: an implementation over HTTP lets the same controllers run against
another API server. ``LocalClient`` answers from this process without ever pausing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import EVENTS, NAMESPACES, Kind
from airflow_priority_spark.embedded.objects import Object, event_about
from airflow_priority_spark.embedded.patches import merge_patch
from airflow_priority_spark.embedded.selectors import compile_selectors
from airflow_priority_spark.embedded.verbs import Verbs

# Type of the change, the object after it, and the object before it.
Listener = Callable[[str, Object, Object | None], None]


class ClusterClient(Protocol):
    """What a controller may ask of an API server."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or ``None``."""

    async def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[Object]:
        """Return the objects of a namespace, or of all, that match a label selector."""

    async def create(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object; raises ``ApiError``."""

    async def set_status(self, kind: Kind, obj: Object, status: Mapping[str, Any]) -> None:
        """Replace an object's status; nothing happens when the object is gone."""

    async def delete(self, kind: Kind, obj: Object, grace_seconds: int | None = None) -> None:
        """Delete this very object (by its uid); nothing happens when it is gone."""

    async def bind(self, pod: Object, node: str) -> None:
        """Give a pod its node; nothing happens when it is gone or has one."""

    async def remove_namespace(self, name: str) -> None:
        """Finish the deletion of an emptied namespace."""

    async def record_event(
        self, about: Object, severity: str, reason: str, message: str, component: str
    ) -> None:
        """Write an Event about an object; severity is ``Normal`` or ``Warning``."""

    def listen(self, kind: Kind, listener: Listener) -> None:
        """Hear of every change of a kind from now on."""


class LocalClient:
    """The verbs of this process, as a ``ClusterClient``."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or ``None``."""
        record = self._verbs.store.get(kind, namespace, name)
        return record.data if record else None

    async def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[Object]:
        """Return the objects of a namespace, or of all, that match a label selector."""
        matches = compile_selectors(kind, labels, "")
        return [record.data for record in self._verbs.store.all(kind, namespace) if matches(record.data)]

    async def create(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object; raises ``ApiError``."""
        return self._verbs.create(kind, namespace, body).data

    async def set_status(self, kind: Kind, obj: Object, status: Mapping[str, Any]) -> None:
        """Replace an object's status; nothing happens when the object is gone."""
        key, uid = _key(obj), obj["metadata"]["uid"]
        self._quietly(
            lambda: self._verbs.update(
                kind, *key, lambda _: {"metadata": {"uid": uid}, "status": dict(status)}, status=True
            )
        )

    async def delete(self, kind: Kind, obj: Object, grace_seconds: int | None = None) -> None:
        """Delete this very object (by its uid); nothing happens when it is gone."""
        options = Deletion(uid=obj["metadata"]["uid"], grace_seconds=grace_seconds)
        self._quietly(lambda: self._verbs.delete(kind, *_key(obj), options))

    async def set_metadata(self, kind: Kind, obj: Object, changes: Mapping[str, Any]) -> None:
        """Merge changes into this very object's metadata; nothing happens when it is gone."""
        patch = {"metadata": {**changes, "uid": obj["metadata"]["uid"]}}
        self._quietly(lambda: self._verbs.update(kind, *_key(obj), lambda data: merge_patch(data, patch)))

    async def bind(self, pod: Object, node: str) -> None:
        """Give a pod its node; nothing happens when it is gone or has one."""
        self._quietly(lambda: self._verbs.bind(*_key(pod), node))

    async def remove_namespace(self, name: str) -> None:
        """Finish the deletion of an emptied namespace."""
        self._verbs.remove_namespace(name)

    async def record_event(
        self, about: Object, severity: str, reason: str, message: str, component: str
    ) -> None:
        """Write an Event about an object; severity is ``Normal`` or ``Warning``."""
        body = event_about(about, severity, reason, message, component)
        namespace = body["metadata"]["namespace"]
        place = self._verbs.store.get(NAMESPACES, "", namespace)
        if place is not None and "deletionTimestamp" not in place.data["metadata"]:
            self._verbs.create(EVENTS, namespace, body)

    def listen(self, kind: Kind, listener: Listener) -> None:
        """Hear of every change of a kind from now on."""
        self._verbs.store.listen(
            kind,
            lambda change: listener(
                change.type, change.record.data, change.previous.data if change.previous else None
            ),
        )

    @staticmethod
    def _quietly(action: Callable[[], object]) -> None:
        """Do something to an object that may have gone or been replaced in the meantime."""
        try:
            action()
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict") and not _is_another(error):
                raise


def _is_another(error: ApiError) -> bool:
    """Whether an object of the name is there, but not the one that was meant."""
    causes = error.details.get("causes", ())
    return any(cause["field"] == "metadata.uid" for cause in causes)


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
