# SPDX-License-Identifier: Apache-2.0
"""Requests to any API server, with the credentials of a kubeconfig."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException, load_kube_config

from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.errors import InvalidInput

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
READ_SECONDS = 30.0
# Every running driver and every watch may hold a connection.
_MOST_CONNECTIONS = 100
# As often as client-go does what an API server that is too busy asks for.
_MOST_ATTEMPTS = 10


class RemoteApi:
    """An API server; ``open`` makes one, ``close`` ends its connections."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.url: str = client.configuration.host

    @classmethod
    async def open(cls, kubeconfig: Path, context: str | None = None) -> RemoteApi:
        """Read a kubeconfig; raises ``InvalidInput`` naming the flag."""
        configuration = Configuration()
        configuration.connection_pool_maxsize = _MOST_CONNECTIONS
        try:
            await load_kube_config(
                config_file=str(kubeconfig), context=context, client_configuration=configuration
            )
        except ConfigException as error:
            allowed = f"a kubeconfig with a usable context ({error})"
            raise InvalidInput("--kubeconfig", str(kubeconfig), allowed) from error
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """Send a request and return the decoded answer; a server that says when to come back is asked again.

        :raises ApiError: what the API server refuses with; code 0 when it does not answer.
        """
        for _ in range(_MOST_ATTEMPTS - 1):
            try:
                return await self._send(method, path, body, query, content_type)
            except _ComeBack as later:
                await asyncio.sleep(later.seconds)
        return await self._send(method, path, body, query, content_type)

    async def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, str] | None, content_type: str
    ) -> Any:
        data = None if body is None else json.dumps(body)
        try:
            async with self._client.rest_client.pool_manager.request(
                method,
                self.url + path,
                params=query,
                data=data,
                headers=await self._headers(content_type),
                timeout=aiohttp.ClientTimeout(total=READ_SECONDS),
            ) as answer:
                await _check(answer)
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, "NoAnswer", f"{self.url} does not answer: {error!r}") from error

    async def stream(
        self, path: str, query: Mapping[str, str], silence_seconds: float
    ) -> aiohttp.StreamReader:
        """Open a watch; returns its lines, which end with ``TimeoutError`` after so long a silence."""
        answer = await self._client.rest_client.pool_manager.request(
            "GET",
            self.url + path,
            params=query,
            headers=await self._headers("application/json"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=READ_SECONDS, sock_read=silence_seconds),
        )
        try:
            await _check(answer)
        except ApiError:
            answer.close()
            raise
        reader: aiohttp.StreamReader = answer.content
        return reader

    async def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"])
        return headers


def path_of(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return where an object, or a collection, is served."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = f"/namespaces/{namespace}" if namespace and kind.namespaced else ""
    return "/".join(filter(None, (f"{root}{place}/{kind.plural}", name, subresource)))


class _ComeBack(ApiError):
    """A refusal that says after how many seconds to ask again."""

    seconds = 0


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status < 300:
        return
    text = await answer.text()
    after = answer.headers.get("Retry-After", "")
    refusal = _ComeBack if answer.status == 429 and after.isdigit() else ApiError
    try:
        status = json.loads(text)
        error = refusal(answer.status, status.get("reason", ""), status["message"], status.get("details"))
    except (ValueError, KeyError, TypeError, AttributeError):
        error = refusal(answer.status, answer.reason or "", text.strip()[:200])
    if isinstance(error, _ComeBack):
        error.seconds = int(after)
    raise error
