# SPDX-License-Identifier: Apache-2.0
"""Which taints of a node keep a pod away.

Source: ``TaintToleration`` and ``ToleratesTaint`` in ``k8s.io/api/core/v1/toleration.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from airflow_priority_spark.scheduling.model import Taint, Toleration

#: Effects that keep pods away; ``PreferNoSchedule`` keeps nobody away.
_HARD: Final = frozenset({"NoSchedule", "NoExecute"})


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Tell whether one toleration tolerates one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> list[Taint]:
    """Return the taints that keep a pod away."""
    given = list(tolerations)
    return [
        taint
        for taint in taints
        if taint.effect in _HARD and not any(tolerates(toleration, taint) for toleration in given)
    ]
