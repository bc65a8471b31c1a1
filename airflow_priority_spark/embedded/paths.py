# SPDX-License-Identifier: Apache-2.0
"""Reads the paths of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_priority_spark.embedded.errors import no_such_resource
from airflow_priority_spark.embedded.kinds import NAMESPACES, Kind


@dataclass(frozen=True)
class Target:
    """What a path speaks of: a collection when there is no name."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class Paths:
    """Finds the target of a path among the kinds that are served."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in kinds}
        self._groups = {(group, version) for group, version, _ in self._kinds}

    def target(self, path: str) -> Target | None:
        """Return what a path speaks of; ``None`` outside every served group, 404 inside one."""
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) > 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return None
        if (group, version) not in self._groups:
            return None
        return self._within(group, version, rest)

    def _within(self, group: str, version: str, rest: list[str]) -> Target:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in NAMESPACES.subresources:
            namespace, rest = rest[1], rest[2:]
        kind = self._kinds.get((group, version, rest[0]))
        name, subresource = [*rest[1:], "", ""][:2]
        if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
            raise no_such_resource()
        if subresource and subresource not in kind.subresources:
            raise no_such_resource()
        return Target(kind, namespace, name, subresource)
