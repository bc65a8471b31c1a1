# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark queue show``: one queue, with where each of its settings comes from."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, Final

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from sqlalchemy.orm import Session

from airflow_priority_spark import settings
from airflow_priority_spark.arbiter.actions import find_queue
from airflow_priority_spark.arbiter.configuration import HeadRules
from airflow_priority_spark.arbiter.queue_actions import QUEUE_FIELDS
from airflow_priority_spark.arbiter.site_actions import site_values
from airflow_priority_spark.cli.acts import now
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_properties, print_rows
from airflow_priority_spark.cli.queues import condition, pool_row
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.watching import watched
from airflow_priority_spark.store import reads
from airflow_priority_spark.store.models import Pool, Queue

#: What a queue and its pools inherit from the site.
INHERITED: Final = tuple(HeadRules.model_fields)


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def show(args: Namespace) -> None:
    """Print one queue: its condition, its settings, its pools."""
    with reading() as session:
        queue_id = find_queue(session, args.namespace, args.cluster)
        people = reads.limits_now(session, settings.load())
        queues = reads.list_queues(session, now(), people=people)
        summary = next(each for each in queues if each.id == queue_id)
        properties = _properties(session, summary)
        options = _settings(session, queue_id)
    pools = [pool_row(summary, pool) for pool in summary.pools]
    if args.output in ("json", "yaml"):
        print_document(as_data({**properties, "settings": options, "pools": pools}), args.output)
        return
    print_properties(properties, args.output)
    print_rows(options, args.output)
    print_rows(pools, args.output, columns=[key for key in pools[0] if key not in properties])


def _properties(session: Session, summary: reads.QueueSummary) -> dict[str, Any]:
    row = session.get_one(Queue, summary.id)
    return {
        "cluster": summary.cluster,
        "namespace": summary.namespace,
        "condition": condition(summary),
        "queued": summary.length,
        "held": summary.held,
        "active": summary.active,
        "granted": summary.granted,
        "oldest_wait_seconds": summary.oldest_wait_seconds,
        "updated_at": row.updated_at,
        "updated_by": row.updated_by,
    }


def _settings(session: Session, queue_id: int) -> list[dict[str, Any]]:
    """Return each setting of the queue and its pools with where it comes from."""
    queue = session.get_one(Queue, queue_id)
    site, configured = site_values(session), settings.load()
    rows = []
    for key in QUEUE_FIELDS:
        own = getattr(queue, key)
        value, source = own, "queue"
        if own is None and key in INHERITED:
            value, source = site.get(key), "site"
            if value is None:
                value, source = getattr(configured, key), f"[{settings.SECTION}]"
        rows.append({"setting": key, "value": value, "from": source if value is not None else "none"})
    for pool in session.query(Pool).where(Pool.queue_id == queue_id).order_by(Pool.weight.desc(), Pool.id):
        own_values = {key: getattr(pool, key) for key in (*INHERITED, "job_limit", "allowed")}
        rows += [
            {"setting": key, "value": value, "from": f"pool {pool.name}"}
            for key, value in own_values.items()
            if value is not None
        ]
    return rows
