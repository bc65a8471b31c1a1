# SPDX-License-Identifier: Apache-2.0
"""A weight strategy: Airflow starts tasks of a higher priority pool first.

Enqueueing is a task's first run on a worker. Where workers are scarce, a thousand low jobs that ask for a
worker first would keep a high one from even getting into the queue; and with ``arbiter = off`` Airflow's own
order is all there is. So a task's ``priority_weight`` follows its priority pool:

1. the last part of its Airflow pool, if that is one of ours (``spark.<cluster>.<namespace>.<pool>``);
2. else what it gives as ``priority``, unless that is a template;
3. else ``[priority_spark] default_priority`` of a task that has a ``priority``;
4. else the ``priority_weight`` of the task.

The weights are those of ``[priority_spark] priority_pools``: Airflow asks for them while it creates task
instances, where nothing of ours may ask the database. The arbiter later writes the weight that the queue
really gives the pool.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from airflow.task.priority_strategy import PriorityWeightStrategy

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

_PREFIX: Final = "spark."


class PriorityPoolWeight(PriorityWeightStrategy):
    """``weight_rule="airflow_priority_spark.plugin.weights.PriorityPoolWeight"``."""

    def get_weight(self, ti: TaskInstance) -> int:
        """Return the weight of the task's priority pool, or the task's own."""
        task: Any = ti.task
        return weight_of(_weights(), _default_priority(), task) or int(task.priority_weight)


def weight_of(weights: dict[str, int], default: str, task: Any) -> int | None:
    """Return the weight of a task's priority pool, ``None`` when it has none that is known.

    :param weights: pool → weight.
    :param default: the pool of a task whose ``priority`` is empty.
    """
    pool = str(getattr(task, "pool", "") or "")
    if pool.startswith(_PREFIX):
        # Names of pools may hold dots, as those of clusters may; the longest that is known is meant.
        known = [name for name in weights if pool.endswith(f".{name}")]
        return weights[max(known, key=len)] if known else None
    if not hasattr(task, "priority"):
        return None
    return weights.get(str(task.priority or default))


@lru_cache(maxsize=1)
def _weights() -> dict[str, int]:
    from airflow_priority_spark.settings import load, parse_pools

    return parse_pools(load().priority_pools)


@lru_cache(maxsize=1)
def _default_priority() -> str:
    from airflow_priority_spark.settings import load

    return load().default_priority
