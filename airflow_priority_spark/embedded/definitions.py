# SPDX-License-Identifier: Apache-2.0
"""The kinds that are served because a CustomResourceDefinition says so.

A kind is served in the version that is stored; others of its versions are not. Source:
apiextensions-apiserver ``pkg/controller/{status,establish,finalizer}``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow_priority_spark.embedded.catalog import Catalog, Definition
from airflow_priority_spark.embedded.deletion import CUSTOM_RESOURCE_CLEANUP, Deletion
from airflow_priority_spark.embedded.kinds import CUSTOM_RESOURCE_DEFINITIONS, Kind
from airflow_priority_spark.embedded.objects import is_terminating, timestamp
from airflow_priority_spark.embedded.store import Change, Record, Store
from airflow_priority_spark.embedded.verbs import Verbs

Data = dict[str, Any]


class Definitions:
    """Serves the kinds of the definitions that are stored, and empties those that are deleted."""

    def __init__(self, verbs: Verbs, catalog: Catalog) -> None:
        self._verbs = verbs
        self._store: Store = verbs.store
        self._catalog = catalog
        self._closing: dict[Kind, str] = {}
        self._store.listen(CUSTOM_RESOURCE_DEFINITIONS, self._on_change)
        catalog.listen(self._follow)

    def _follow(self, kind: Kind) -> None:
        self._store.listen(kind, partial(self._on_object, kind))

    def _on_change(self, change: Change) -> None:
        data = change.record.data
        found = _definition(data)
        if found is None:
            return
        if change.type == "DELETED":
            self._catalog.withdraw(found.kind)
            return
        if not (data.get("status") or {}).get("conditions"):
            self._accept(change.record)
        self._catalog.serve(found)
        if found.closing and found.kind not in self._closing:
            self._closing[found.kind] = data["metadata"]["name"]
            self._empty(found.kind)

    def _accept(self, record: Record) -> None:
        data = record.data
        status = {**(data.get("status") or {}), "acceptedNames": data["spec"]["names"]}
        status["conditions"] = _accepted()
        self._store.put(
            CUSTOM_RESOURCE_DEFINITIONS, {**data, "metadata": dict(data["metadata"]), "status": status}
        )

    def _on_object(self, kind: Kind, change: Change) -> None:
        if change.type == "DELETED" and kind in self._closing:
            self._release(kind)

    def _empty(self, kind: Kind) -> None:
        for record in list(self._store.all(kind)):
            if not is_terminating(record.data):
                self._verbs.delete(kind, *record.key, Deletion())
        self._release(kind)

    def _release(self, kind: Kind) -> None:
        """Let a definition go when nothing of its kind is left."""
        if kind not in self._closing or next(iter(self._store.all(kind)), None) is not None:
            return
        record = self._store.get(CUSTOM_RESOURCE_DEFINITIONS, "", self._closing.pop(kind))
        if record is not None:
            names = [
                name for name in record.data["metadata"]["finalizers"] if name != CUSTOM_RESOURCE_CLEANUP
            ]
            change = {"finalizers": names}
            self._verbs.update(
                CUSTOM_RESOURCE_DEFINITIONS,
                "",
                record.key[1],
                lambda data: {**data, "metadata": {**data["metadata"], **change}},
            )


def _definition(data: Data) -> Definition | None:
    spec = data["spec"]
    stored = next((one for one in spec["versions"] if one.get("storage") and one.get("served")), None)
    if stored is None:
        return None
    names = spec["names"]
    kind = Kind(
        names["plural"],
        names["kind"],
        spec["group"],
        stored["name"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        subresources=tuple(name for name in ("status",) if name in (stored.get("subresources") or {})),
        categories=tuple(names.get("categories") or ()),
    )
    columns = tuple(stored.get("additionalPrinterColumns") or ())
    return Definition(kind, stored["schema"]["openAPIV3Schema"], columns, is_terminating(data))


def _accepted() -> list[Data]:
    now = timestamp()
    return [
        {"type": name, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}
        for name, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
