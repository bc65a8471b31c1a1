# SPDX-License-Identifier: Apache-2.0
"""The driver's output in the task log, whole up to a limit, and never a reason to fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

#: More than this many bytes of driver output are not copied; the note says where the rest is.
MAX_BYTES: Final = 5 * 2**20


def driver_log(api: Any, namespace: str, pod: str, container: str) -> Iterator[str]:
    """Yield the lines of a driver's log.

    :param api: ``kubernetes.client.CoreV1Api``.
    :param pod: the driver pod's name as the operator reports it.
    """
    if not pod:
        yield "The application has no driver pod, so there is no driver log."
        return
    from kubernetes.client import ApiException

    try:
        response = api.read_namespaced_pod_log(
            pod, namespace, container=container, limit_bytes=MAX_BYTES + 1, _preload_content=False
        )
        data = response.read()
    except ApiException as error:
        yield f"The log of driver pod {pod} cannot be read: {error.status} {error.reason}"
        return
    yield from data[:MAX_BYTES].decode("utf-8", errors="replace").splitlines()
    if len(data) > MAX_BYTES:
        rest = f"kubectl logs -n {namespace} {pod} -c {container}"
        yield f"(cut after {MAX_BYTES} bytes; the whole log: {rest})"


def exit_reason(api: Any, namespace: str, pod: str, container: str) -> str:
    """Say how the driver ended, e.g. ``driver exited with code 137 (OOMKilled)``; empty if unknown."""
    if not pod:
        return ""
    from kubernetes.client import ApiException

    try:
        found = api.read_namespaced_pod(pod, namespace)
    except ApiException:
        return ""
    for status in found.status.container_statuses or []:
        ended = status.state.terminated if status.state else None
        if status.name == container and ended is not None:
            why = f" ({ended.reason})" if ended.reason else ""
            return f"driver exited with code {ended.exit_code}{why}"
    return ""
