# SPDX-License-Identifier: Apache-2.0
"""Pictures of the clusters and of the last cycle, for whoever asks why a job waits.

The newest picture of a cluster is rewritten for a minute and then left as history, so that the
present is exact and the past costs one row per cluster and minute.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_priority_spark.store.blocked import waiting_for
from airflow_priority_spark.store.models import ArbiterState, CapacitySnapshot

HISTORY_STEP: Final = datetime.timedelta(minutes=1)


def save_snapshot(
    session: Session, cluster_id: str, data: dict[str, Any], now: datetime.datetime, *, count: bool = True
) -> None:
    """Record what a cluster looks like now, and how many of its jobs wait for what.

    :param count: count the jobs, which costs more the more there are; else what the last picture says of
        them is kept, but for the first one of a minute.
    """
    newest = session.scalar(
        select(CapacitySnapshot)
        .where(CapacitySnapshot.cluster_id == cluster_id)
        .order_by(CapacitySnapshot.taken_at.desc(), CapacitySnapshot.id.desc())
        .limit(1)
    )
    if newest is None or now - newest.first_at >= HISTORY_STEP:
        data = {**data, "waiting_for": waiting_for(session, cluster_id)}
        session.add(CapacitySnapshot(cluster_id=cluster_id, taken_at=now, first_at=now, data=data))
    else:
        counts = waiting_for(session, cluster_id) if count else newest.data.get("waiting_for", {})
        newest.taken_at, newest.data = now, {**data, "waiting_for": counts}
    session.flush()


def save_summary(session: Session, summary: dict[str, Any], now: datetime.datetime) -> None:
    """Record when the last cycle ran and what it did."""
    session.execute(
        update(ArbiterState).where(ArbiterState.id == 1).values(last_cycle_at=now, summary=summary)
    )
