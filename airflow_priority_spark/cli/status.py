# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark status``."""

from __future__ import annotations

import datetime
from argparse import Namespace
from typing import Any

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark import settings
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_properties, print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.watching import watched
from airflow_priority_spark.store import reads


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def show_status(args: Namespace) -> None:
    """Print who leads, and how fresh its picture of each cluster is."""
    configured = settings.load().arbiter
    now = datetime.datetime.now(datetime.UTC)
    with reading() as session:
        arbiter = _arbiter(reads.arbiter_status(session, now), configured)
        clusters = [_cluster(picture) for picture in reads.latest_snapshots(session, now)]
    if args.output in ("json", "yaml"):
        print_document(as_data({"arbiter": arbiter, "clusters": clusters}), args.output)
        return
    unresolved = arbiter.pop("unresolved")
    print_properties(arbiter, args.output)
    print_rows(clusters, args.output)
    if unresolved:
        print_rows([{"connection": name, "fault": fault} for name, fault in unresolved.items()], args.output)


def _arbiter(status: reads.ArbiterStatus, configured: str) -> dict[str, Any]:
    return {
        "configured": configured,
        "leader": status.leader if status.alive else None,
        "epoch": status.epoch,
        "cycle": status.cycle,
        "lease_until": status.lease_until,
        "last_cycle_at": status.last_cycle_at,
        "idle_seconds": status.idle_seconds,
        **_outage(status.summary.get("outage", {})),
        "unresolved": status.summary.get("unresolved", {}),
    }


def _outage(last: dict[str, Any]) -> dict[str, Any]:
    """Return the last time that cycles failed; while the database is away nothing can be read or written."""
    return {
        "last_outage": f"{last['what']}: {last['why']}" if last else None,
        "last_outage_since": _instant(last.get("since")),
        "last_outage_until": _instant(last.get("until")),
    }


def _instant(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None


def _cluster(picture: reads.ClusterPicture) -> dict[str, Any]:
    data = picture.data
    since = data.get("troubled_since")
    return {
        "cluster": picture.cluster,
        "cluster_id": picture.cluster_id,
        "taken_at": picture.taken_at,
        "age_seconds": picture.age_seconds,
        "fresh": data["fresh"],
        "stale_reason": data["stale_reason"] or None,
        "troubled_since": datetime.datetime.fromtimestamp(since, datetime.UTC) if since else None,
        "trouble": data.get("trouble") or None,
        "capacity_mode": data["mode"],
        "nodes": data["nodes"]["count"],
        "nodes_ready": data["nodes"]["ready"],
        "quotas": len(data["quotas"]),
    }
