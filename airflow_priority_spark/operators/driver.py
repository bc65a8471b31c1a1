# SPDX-License-Identifier: Apache-2.0
"""What the driver pod leaves behind: its log, its events and its exit code.

The pod goes with its application, so both are read before anything is deleted. A log that is too long is
cut in its middle: how a job began and how it ended say more than what lies between. Neither may ever turn
a success into a failure or hide why a job failed: what cannot be read is said and left at that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import HTTPError

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import EVENTS, PODS
from airflow_priority_spark.cluster.transport import Refused, open_response, request_json
from airflow_priority_spark.errors import PrioritySparkError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

CONTAINER: Final = "spark-kubernetes-driver"
#: Bytes of a driver's log that are copied into the task log.
LOG_BYTES: Final = 16 * 1024 * 1024
#: Of a log that is cut, so many last lines are copied besides, of so many bytes at most.
LAST_LINES: Final = 100
_LAST_BYTES: Final = 64 * 1024


def copy_log(
    connection: ClusterConnection,
    namespace: str,
    pod: str,
    log: logging.Logger,
    *,
    limit: int = LOG_BYTES,
) -> None:
    """Copy a driver pod's log into the task log, line by line.

    :param limit: bytes after which it is cut, with a note and its last lines.
    """
    path = f"{PODS.path(namespace, pod)}/log"
    response = _open(connection, path, pod, log, limitBytes=str(limit + 1))
    if response is None:
        return
    log.info("Log of driver pod %s:", pod)
    if _copy(response, log, limit):
        return
    log.warning("[driver] … cut after %d bytes; the last %d lines of pod %s:", limit, LAST_LINES, pod)
    response = _open(connection, path, pod, log, tailLines=str(LAST_LINES), limitBytes=str(_LAST_BYTES))
    if response is not None:
        _copy(response, log, _LAST_BYTES)


def _open(
    connection: ClusterConnection, path: str, pod: str, log: logging.Logger, **query: str
) -> BaseHTTPResponse | None:
    try:
        return open_response(connection, "GET", path, query={"container": CONTAINER, **query})
    except (Refused, PrioritySparkError) as error:
        log.warning("The log of driver pod %s cannot be read: %s", pod, error)
        return None


def _copy(response: BaseHTTPResponse, log: logging.Logger, left: int) -> bool:
    """Copy lines until so many bytes are used up; return whether that was all of it."""
    try:
        for line in _lines(response):
            left -= len(line) + 1
            if left < 0:
                return False
            log.info("[driver] %s", line.decode(errors="replace"))
    except (HTTPError, OSError) as error:
        log.warning("[driver] … the log ends here, its transfer broke off: %s", error)
    finally:
        response.close()
    return True


def copy_events(connection: ClusterConnection, namespace: str, pod: str, log: logging.Logger) -> None:
    """Copy what Kubernetes has noted about a driver pod (scheduling, images, evictions), oldest first."""
    try:
        query = {"fieldSelector": f"involvedObject.name={pod}"}
        found = request_json(connection, "GET", EVENTS.path(namespace), query=query)
    except (Refused, PrioritySparkError) as error:
        log.warning("The events of driver pod %s cannot be read: %s", pod, error)
        return
    for event in sorted(found.get("items") or (), key=_when):
        log.info("[event] %s %s: %s", _when(event), event.get("reason"), event.get("message"))


def _when(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


@dataclass(frozen=True, slots=True)
class DriverEnd:
    """How a driver's container ended; nothing when that is not known.

    :param sentence: e.g. ``driver exit code 1 (OOMKilled)``.
    """

    code: int | None = None
    sentence: str = ""


def driver_end(connection: ClusterConnection, namespace: str, pod: str) -> DriverEnd:
    """Look how a driver's container ended."""
    try:
        found = request_json(connection, "GET", PODS.path(namespace, pod))
    except (Refused, PrioritySparkError):
        return DriverEnd()
    for status in (found.get("status") or {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated")
        if status.get("name") == CONTAINER and ended:
            reason = ended.get("reason") or ""
            extra = f" ({reason})" if reason not in ("", "Error", "Completed") else ""
            return DriverEnd(ended.get("exitCode"), f"driver exit code {ended.get('exitCode')}{extra}")
    return DriverEnd()


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for piece in response.stream(65536):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest
