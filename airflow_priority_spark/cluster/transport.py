# SPDX-License-Identifier: Apache-2.0
"""One HTTP request to a Kubernetes API server; refusals and silences as this package's errors.

The generated client turns every object into models: 20,000 pods take tens of seconds and hundreds
of megabytes that way, to be thrown away at once. It also retries by itself, sleeping inside the
call when the server says ``Retry-After``, so that a watch cannot be stopped. So requests here use
the client's configuration, credentials and connection pool, and nothing else of it: JSON comes
back as dictionaries, every call has time limits, and nobody retries but the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from airflow_priority_spark.cluster.kinds import SPARK_APPLICATIONS, Kind
from airflow_priority_spark.errors import (
    ClusterUnavailable,
    CustomResourceMissing,
    PermissionMissing,
    PrioritySparkError,
)

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from airflow_priority_spark.cluster.connections import ClusterConnection

#: Seconds to connect, and seconds without a byte before an answer counts as lost.
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0

#: A patch of ours says only what changes (RFC 7386).
_CONTENT_TYPES: Final = {"PATCH": "application/merge-patch+json"}
_USER = re.compile(r'User "([^"]+)"')


class Refused(Exception):
    """The API server answered with an error status.

    :param code: HTTP status.
    :param message: the server's own sentence.
    :param retry_after: seconds the server asks to wait, ``None`` when it does not say.
    """

    def __init__(self, code: int, message: str, retry_after: float | None = None) -> None:
        self.code, self.message, self.retry_after = code, message, retry_after
        super().__init__(f"{code} {message}")


def open_response(
    connection: ClusterConnection,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    read_seconds: float = READ_SECONDS,
) -> BaseHTTPResponse:
    """Send a request and return the answer with its body still unread; the caller closes it.

    :param read_seconds: longest silence, before the headers and between two pieces of the body.
    :raises Refused: for any status above 299.
    :raises ClusterUnavailable: when nothing answers.
    """
    client = connection.api_client
    headers = {**client.default_headers, "Accept": "application/json"}
    client.update_params_for_auth(headers, [], ["BearerToken"])
    if body is not None:
        headers["Content-Type"] = _CONTENT_TYPES.get(method, "application/json")
    try:
        response = client.rest_client.pool_manager.request(
            method,
            client.configuration.host + path,
            fields=dict(query or {}) if body is None else None,
            body=json.dumps(body) if body is not None else None,
            headers=headers,
            preload_content=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
        )
        if not 200 <= response.status <= 299:
            raise _refusal(response)
    except (HTTPError, OSError) as error:
        raise silence(connection, error) from error
    return response


def request_json(
    connection: ClusterConnection,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    read_seconds: float = READ_SECONDS,
) -> dict[str, Any]:
    """Send a request and return the JSON object it is answered with.

    :raises Refused: for any status above 299.
    :raises ClusterUnavailable: when nothing answers, or something that is no JSON object.
    """
    response = open_response(connection, method, path, query=query, body=body, read_seconds=read_seconds)
    try:
        return json_object(connection, response.read())
    except (HTTPError, OSError) as error:
        raise silence(connection, error) from error
    finally:
        response.close()


def json_object(connection: ClusterConnection, text: bytes) -> dict[str, Any]:
    """Read one JSON object.

    :raises ClusterUnavailable: when it is none; a proxy's login page is the usual reason.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ClusterUnavailable(
            f"{connection} answers with something that is not a Kubernetes object: {text[:80]!r}. "
            "Check that the address is an API server's and that no proxy stands before it."
        )
    return value


def _refusal(response: BaseHTTPResponse) -> Refused:
    text = response.read(64 * 1024).decode(errors="replace")
    response.close()
    try:
        status = json.loads(text)
        message = str(status["message"])
    except (ValueError, KeyError, TypeError):
        message = text.strip()[:200] or str(response.reason)
    after = response.headers.get("Retry-After", "")
    return Refused(response.status, message, float(after) if after.isdigit() else None)


def silence(connection: ClusterConnection, error: Exception) -> ClusterUnavailable:
    """Return the error for an API server that does not answer."""
    return ClusterUnavailable(
        f"{connection} does not answer: {_plain(error)}. Check that the API server runs and that this "
        "host can reach it."
    )


def _plain(error: Exception) -> str:
    """Say a network error without the object addresses urllib3 puts into it."""
    text = re.sub(r"^.*?object at 0x[0-9a-f]+>:\s*|^\S*\(host=.*?\):\s*", "", str(error))
    return text.strip() or type(error).__name__


def explain(
    connection: ClusterConnection,
    refused: Refused,
    verb: str,
    kind: Kind,
    namespace: str | None = None,
    name: str | None = None,
) -> PrioritySparkError:
    """Turn a refusal into the error a person can act on: what was tried, what was said, how to mend it."""
    where = f" in namespace {namespace}" if namespace is not None else ""
    what = kind.resource + (f" {name}" if name is not None else "")
    tried = f"cannot {verb} {what}{where} of {connection}"
    said = f'the API server says "{refused.message}"'
    if refused.code == 403:
        user = _USER.search(refused.message)
        subject = user.group(1) if user else f"the user of {connection.label}"
        return PermissionMissing(
            f"{tried}: {said}. Grant the verb {verb} on {kind.resource}{where} to {subject}."
        )
    if refused.code == 401:
        return ClusterUnavailable(
            f"{tried}: {said}. The credentials of {connection.label} are not accepted; renew them."
        )
    if refused.code == 404 and kind == SPARK_APPLICATIONS and name is None:
        return CustomResourceMissing(
            f"the SparkApplication CRD ({kind.resource}) is not installed in {connection}; "
            "install the Kubeflow Spark operator"
        )
    return ClusterUnavailable(f"{tried}: {said} (HTTP {refused.code})")
