# SPDX-License-Identifier: Apache-2.0
"""What a queue may use, uses, has promised and has left, key by key, from the newest picture of its cluster.

The numbers are those of the picture and of the grants: ``free = hard - used - what grants still charge``,
where grants charge what they were promised beyond the pods that run for them already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.explanation import bare


@dataclass(frozen=True, slots=True)
class Usage:
    """One key of a namespace's quotas or of its queue's declared capacity, in its base unit.

    :param hard: the tightest limit; ``None``: there is none.
    :param used: what pods use.
    :param granted: what admitted jobs were promised.
    :param free: what the next job can get; ``None`` without a limit.
    :param holder: whose limit it is, as verdicts say it; empty without a limit.
    """

    resource: str
    hard: int | None
    used: int
    granted: int
    free: int | None
    holder: str


def usage_of(
    namespace: str, picture: Mapping[str, Any] | None, capacity: Mapping[str, Any] | None, granted: Resources
) -> tuple[Usage, ...]:
    """Return the usage of a namespace, by key.

    :param picture: the data of its cluster's newest picture.
    :param capacity: declared for its queue: resource → quantity text.
    :param granted: the sum of the demands of its queue's grants.
    """
    own = Resources((picture or {}).get("own", {}).get(namespace, {}))
    pending = (granted - own).clamped()
    found: dict[str, Usage] = {}
    for key, hard, used, holder in _limits(namespace, picture, capacity, own):
        free = max(0, hard - used - _amount(pending, key))
        usage = Usage(key, hard, used, _amount(granted, key), free, holder)
        if key not in found or free < (found[key].free or 0):
            found[key] = usage
    limited = {bare(key) for key in found}
    for resource, amount in granted.items():
        if resource not in limited:
            found[resource] = Usage(resource, None, own[resource], amount, None, "")
    return tuple(found[key] for key in sorted(found))


def _limits(
    namespace: str, picture: Mapping[str, Any] | None, capacity: Mapping[str, Any] | None, own: Resources
) -> list[tuple[str, int, int, str]]:
    found = [
        (key, hard, quota["used"].get(key, 0), f"quota {quota['name']}")
        for quota in (picture or {}).get("quotas", ())
        if quota["namespace"] == namespace
        for key, hard in quota["hard"].items()
    ]
    if capacity is not None:
        declared = Resources.parse(capacity)
        holder = f"declared capacity of {namespace}"
        found += [(key, declared[key], _amount(own, key), holder) for key in capacity]
    return found


def _amount(amounts: Resources, key: str) -> int:
    """Return what is charged to a quota key; limits and counted objects are not known of grants."""
    if key.startswith(("limits.", "count/")) and key != "count/pods":
        return 0
    return amounts[bare(key).removeprefix("count/")]
