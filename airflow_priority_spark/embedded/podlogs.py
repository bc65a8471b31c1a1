# SPDX-License-Identifier: Apache-2.0
"""``pods/log``: which lines of which container, once or followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request
from airflow_priority_spark.embedded.logbook import ContainerLog, LogBook
from airflow_priority_spark.embedded.objects import current_time, moment


def chosen_container(pod: Mapping[str, Any], container: str | None) -> str:
    """Return which container's log is asked for; raises 400 when that cannot be told."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [item["name"] for item in spec["containers"]]
    initial = [item["name"] for item in spec.get("initContainers") or ()]
    if container is None and len(names) > 1:
        others = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
        choice = f"choose one of: [{' '.join(names)}]{others}"
        raise bad_request(f"a container name must be specified for pod {name}, {choice}")
    wanted = container or names[0]
    if wanted not in names + initial:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def find_log(logs: LogBook, pod: Mapping[str, Any], container: str) -> ContainerLog:
    """Return the log of a container, or raise 400 with the kubelet's words."""
    name, first = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
    log = logs.find(pod["metadata"]["uid"], container)
    if log is None and container != first and logs.find(pod["metadata"]["uid"], first):
        return ContainerLog()
    if log is None:
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: ContainerCreating')
    return log


def no_previous_log(pod: Mapping[str, Any], container: str) -> ApiError:
    """400 for the log of an earlier run of a container: containers are not started again."""
    name = pod["metadata"]["name"]
    return bad_request(f'previous terminated container "{container}" in pod "{name}" not found')


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
