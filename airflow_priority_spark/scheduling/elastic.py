# SPDX-License-Identifier: Apache-2.0
"""How far elastic nodes may grow: the maxima a site configures for an autoscaler's cluster.

Where nodes come with the pods that need them, a shortage of nodes is no reason to wait. But every
autoscaler has a limit, and beyond it pods wait for ever. A site that knows the limit writes it down,
and everybody's pods together stay below it.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_priority_spark.scheduling.model import Blocked
from airflow_priority_spark.scheduling.order import quota_key_rank
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.scheduling.usage import Promises, Usage, add_to

HOLDER = "the configured maximum of the nodes"


class Ceiling:
    """What is left up to the configured maxima, during one decision.

    :param maxima: per resource; what is not named is not limited.
    """

    def __init__(self, maxima: Resources, usage: Usage, promises: Promises) -> None:
        used = {**usage.everywhere.requests, "pods": usage.everywhere.pods}
        for shapes in promises.unplaced.values():
            for shape, party in shapes.items():
                for number in party.values():
                    add_to(used, {**shape.requests.as_dict(), "pods": 1}, number)
        self._free = {name: maxima[name] - used.get(name, 0) for name in sorted(maxima, key=quota_key_rank)}

    def shortfall(self, amounts: Mapping[str, int]) -> Blocked | None:
        """Return the first resource that some pods would push beyond its maximum."""
        for name, free in self._free.items():
            if 0 < amounts.get(name, 0) > free:
                return Blocked(name, amounts[name], max(0, free), HOLDER, by_nodes=True)
        return None

    def take(self, amounts: Mapping[str, int]) -> None:
        """Charge an admission."""
        for name in self._free:
            self._free[name] -= amounts.get(name, 0)
