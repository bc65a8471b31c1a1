# SPDX-License-Identifier: Apache-2.0
"""What the driver pod leaves behind: its log and its exit code.

The pod goes with its application, so both are read before anything is deleted. Neither may ever turn
a success into a failure or hide why a job failed: what cannot be read is said and left at that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from urllib3.exceptions import HTTPError

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.cluster.transport import Refused, open_response, request_json
from airflow_priority_spark.errors import PrioritySparkError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

CONTAINER: Final = "spark-kubernetes-driver"
#: Bytes of a driver's log that are copied into the task log; the beginning says more than the end.
LOG_BYTES: Final = 16 * 1024 * 1024


def copy_log(
    connection: ClusterConnection,
    namespace: str,
    pod: str,
    log: logging.Logger,
    *,
    limit: int = LOG_BYTES,
) -> None:
    """Copy a driver pod's log into the task log, line by line.

    :param limit: bytes after which it is cut, with a note.
    """
    path = f"{PODS.path(namespace, pod)}/log"
    query = {"container": CONTAINER, "limitBytes": str(limit + 1)}
    try:
        response = open_response(connection, "GET", path, query=query)
    except (Refused, PrioritySparkError) as error:
        log.warning("The log of driver pod %s cannot be read: %s", pod, error)
        return
    log.info("Log of driver pod %s:", pod)
    left = limit
    try:
        for line in _lines(response):
            left -= len(line) + 1
            if left < 0:
                log.warning("[driver] … cut after %d bytes; the whole log is in pod %s", limit, pod)
                return
            log.info("[driver] %s", line.decode(errors="replace"))
    except (HTTPError, OSError) as error:
        log.warning("[driver] … the log ends here, its transfer broke off: %s", error)
    finally:
        response.close()


def describe_end(connection: ClusterConnection, namespace: str, pod: str) -> str:
    """Say how the driver's container ended, e.g. ``driver exit code 1 (OOMKilled)``; empty when unknown."""
    try:
        found = request_json(connection, "GET", PODS.path(namespace, pod))
    except (Refused, PrioritySparkError):
        return ""
    for status in (found.get("status") or {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated")
        if status.get("name") == CONTAINER and ended:
            reason = ended.get("reason") or ""
            extra = f" ({reason})" if reason not in ("", "Error", "Completed") else ""
            return f"driver exit code {ended.get('exitCode')}{extra}"
    return ""


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for piece in response.stream(65536):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest
