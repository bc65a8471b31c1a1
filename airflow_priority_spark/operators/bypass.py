# SPDX-License-Identifier: Apache-2.0
"""Applications that somebody else admits.

Kueue, Volcano, YuniKorn and the coscheduling plugins have queues of their own. A job that stood in two
queues would hold room in one while it waits in the other, so an application that asks for one of them
skips ours. It is submitted and followed like any other; while such a queue keeps it suspended, no clock runs.

Sources: the names in ``internal/scheduler/*/scheduler.go`` of the Spark operator, and
``kueue.x-k8s.io/queue-name`` in Kueue's ``apis/kueue/v1beta1/constants``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BATCH_SCHEDULERS: Final = {
    "volcano": "Volcano",
    "yunikorn": "YuniKorn",
    "kube-scheduler": "a scheduler plugin",
}
KUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"


def other_queue(manifest: Mapping[str, Any]) -> str:
    """Say whose queue a SparkApplication asks for, and where it does; empty when it asks for none."""
    queue = ((manifest.get("metadata") or {}).get("labels") or {}).get(KUEUE_LABEL)
    if queue:
        return f"Kueue (label {KUEUE_LABEL}: {queue})"
    asked = str((manifest.get("spec") or {}).get("batchScheduler") or "")
    if asked.lower() in BATCH_SCHEDULERS:
        return f"{BATCH_SCHEDULERS[asked.lower()]} (spec.batchScheduler: {asked})"
    return ""
