# SPDX-License-Identifier: Apache-2.0
"""``pods/log``: which lines of which container, once or followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_priority_spark.embedded.errors import bad_request
from airflow_priority_spark.embedded.logbook import ContainerLog, LogBook
from airflow_priority_spark.embedded.objects import current_time, moment


def find_log(logs: LogBook, pod: Mapping[str, Any], container: str | None) -> ContainerLog:
    """Return the log asked for, or raise 400 with the kubelet's words."""
    name, names = pod["metadata"]["name"], [item["name"] for item in pod["spec"]["containers"]]
    if container is None and len(names) > 1:
        listed = " ".join(names)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
    wanted = container or names[0]
    if wanted not in names:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    log = logs.find(pod["metadata"]["uid"], wanted)
    if log is None and wanted != names[0] and logs.find(pod["metadata"]["uid"], names[0]):
        return ContainerLog()
    if log is None:
        raise bad_request(f'container "{wanted}" in pod "{name}" is waiting to start: ContainerCreating')
    return log


async def log_lines(log: ContainerLog, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """Yield the lines asked for by ``tailLines``, ``since…``, ``follow`` and ``timestamps``."""
    since = _since(query)
    kept = [line for line in log.lines() if since is None or line[0] >= since]
    seen = log.written
    if query.get("tailLines"):
        count = int(query["tailLines"])
        kept = kept[-count:] if count else []
    stamped = _flag(query, "timestamps")
    for when, text in kept:
        yield _printed(when, text, stamped=stamped)
    while _flag(query, "follow"):
        await log.more_than(seen)
        fresh, seen = list(log.lines(seen)), log.written
        for when, text in fresh:
            yield _printed(when, text, stamped=stamped)
        if log.ended and seen == log.written:
            return


def _since(query: Mapping[str, str]) -> datetime | None:
    if query.get("sinceSeconds"):
        return current_time() - timedelta(seconds=int(query["sinceSeconds"]))
    return moment(query["sinceTime"]) if query.get("sinceTime") else None


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")


def _printed(when: datetime, text: str, *, stamped: bool) -> bytes:
    prefix = when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ") if stamped else ""
    return f"{prefix}{text}\n".encode()
