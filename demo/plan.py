# SPDX-License-Identifier: Apache-2.0
"""What the demo runs, where, and what must come of it.

Two namespaces that are too small for everything at once: in ``team-a`` the CPU runs out first, in
``team-b`` the memory. A driver or executor of the examples asks for 1 CPU and 896 MiB (512 MiB and
Spark's smallest overhead of 384 MiB), so that two small applications fit each namespace at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from airflow_priority_spark.embedded.specs import NodeSpec

ROOT: Final = Path(__file__).resolve().parent.parent
DAGS: Final = ROOT / "dags"

QUOTAS: Final[Mapping[str, Mapping[str, str]]] = {
    "team-a": {"requests.cpu": "4", "requests.memory": "8Gi", "pods": "10"},
    "team-b": {"requests.cpu": "8", "requests.memory": "4Gi", "pods": "10"},
}
NODES: Final = (NodeSpec("node-1", cpu="6", memory="8Gi"), NodeSpec("node-2", cpu="6", memory="8Gi"))

#: Goes first and fills the namespaces.
FIRST: Final = "nightly_reports"
#: Comes when the queues are full; ``word_count`` is the README's and names its namespace itself.
LATER: Final = ("morning_dashboard", "word_count", "too_big")
#: The one task that asks for more than its namespace could ever give.
REJECTED: Final = ("too_big", "forty_executors")


def dag_ids(*, own_namespaces: bool) -> tuple[str, ...]:
    """Return the DAGs to run; ``own_namespaces``: not in ``team-a`` and ``team-b`` themselves."""
    later = [dag_id for dag_id in LATER if not (own_namespaces and dag_id == "word_count")]
    return FIRST, *later
