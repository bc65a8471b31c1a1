# SPDX-License-Identifier: Apache-2.0
"""How Spark and the operator's webhook change a pod template.

Sources: Spark ``KubernetesUtils.scala`` (``selectSparkContainer``) and the feature steps'
``editOrNewResources``; operator ``internal/webhook/sparkpod_defaulter.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Data = dict[str, Any]


def spark_container(template: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], list[Data]]:
    """Return Spark's container of a template, by its name or else the first one, and the others."""
    containers = list(template.get("containers") or ())
    own = [place for place, item in enumerate(containers) if item.get("name") == name]
    if not containers:
        return {}, []
    place = own[0] if len(own) == 1 else 0
    return containers[place], containers[:place] + containers[place + 1 :]


def over_template(container: Mapping[str, Any], resources: Mapping[str, Mapping[str, str]]) -> Data:
    """Return the template's resources of a container with Spark's own put over them."""
    given = container.get("resources") or {}
    # Spark sets a device as a limit; only the API server makes a request of it.
    return {which: {**(given.get(which) or {}), **resources[which]} for which in ("requests", "limits")}


def and_added(there: Iterable[Data] | None, added: Iterable[Data] | None) -> list[Data]:
    """Return the containers that are there and those the webhook adds: others by name or image."""
    containers = list(there or ())
    known = [(item.get("name"), item.get("image")) for item in containers]
    return containers + [item for item in added or () if (item.get("name"), item.get("image")) not in known]
