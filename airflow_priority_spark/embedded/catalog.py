# SPDX-License-Identifier: Apache-2.0
"""The kinds that are served right now: the built-in ones, and those that definitions bring and take away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_priority_spark.embedded.discovery import documents
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.openapi import OpenApi
from airflow_priority_spark.embedded.paths import Paths, Target
from airflow_priority_spark.embedded.schemas import Schema

Listener = Callable[[Kind], None]


@dataclass(frozen=True)
class Definition:
    """What a definition says of its kind.

    :param columns: what ``kubectl get`` shows besides the name.
    :param closing: it is being deleted: nothing new may be created.
    """

    kind: Kind
    schema: Schema
    columns: tuple[Mapping[str, Any], ...] = ()
    closing: bool = False


class Catalog:
    """Finds what a path speaks of, and what discovery says, among the kinds served.

    :param kinds: those that need no definition.
    :param measured: those whose objects are not stored but measured.
    """

    def __init__(self, kinds: Iterable[Kind], measured: Iterable[Kind] = ()) -> None:
        self._built_in = tuple(kinds)
        self._measured = tuple(measured)
        self._definitions: dict[Kind, Definition] = {}
        self._listeners: list[Listener] = []
        self._known: set[Kind] = set(self._built_in)
        self._renew()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind whose objects are stored."""
        return self._built_in + tuple(one.kind for one in self._definitions.values())

    def definition(self, kind: Kind) -> Definition | None:
        """Return what defines a custom kind; ``None`` for a built-in one."""
        return self._definitions.get(kind)

    def target(self, path: str) -> Target | None:
        """Return what a path speaks of; ``None`` outside every served group, 404 inside one."""
        return self._paths.target(path)

    def document(self, path: str) -> dict[str, Any] | None:
        """Return what the API server says about itself on a path, if anything."""
        return self._documents.get(path) or self._openapi.document(path)

    def serve(self, definition: Definition) -> None:
        """Serve a kind, or serve it as it is defined now."""
        if self._definitions.get(definition.kind) == definition:
            return
        self._definitions[definition.kind] = definition
        self._renew()
        if definition.kind not in self._known:
            self._known.add(definition.kind)
            for listener in self._listeners:
                listener(definition.kind)

    def withdraw(self, kind: Kind) -> None:
        """Serve a kind no longer."""
        if self._definitions.pop(kind, None):
            self._renew()

    def listen(self, listener: Listener) -> None:
        """Call a listener once for every kind that is served for the first time from now on."""
        self._listeners.append(listener)

    def _renew(self) -> None:
        self._paths = Paths(self.kinds + self._measured)
        self._documents = documents(self.kinds + self._measured)
        self._openapi = OpenApi(self.kinds, {one.kind: one.schema for one in self._definitions.values()})
