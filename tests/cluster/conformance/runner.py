# SPDX-License-Identifier: Apache-2.0
"""Sends the chapters to an API server, in order, and returns the normalised answers.

Each chapter has a namespace to itself, removed at its end together with the cluster-scoped objects it made.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubernetes import config

from tests.cluster.conformance.normalise import normalised
from tests.cluster.conformance.request import ABSENT, Request

UNTIL_SECONDS = 60.0
_NAMED = re.compile(r"\{([a-z_]+)\}")


class Server:
    """An API server, reached as a kubeconfig says."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = config.new_client_from_config(str(kubeconfig))
        self._http = self._api.rest_client.pool_manager
        # Which key the client keeps a token under has changed between its releases.
        auth = self._api.configuration.auth_settings().values()
        self._token = next((one["value"] for one in auth if one["key"] == "authorization"), "")

    def version(self) -> str:
        """Its Kubernetes version; one built from source has no other name for it than these two numbers."""
        found = self.send(Request("", "GET", "/version"), {})[1]
        return f"{found['major']}.{found['minor']}"

    def send(self, request: Request, names: Mapping[str, str]) -> tuple[int, Any]:
        """Send a request; returns the status code and the decoded body (a watch's as a list)."""
        code, body, _ = self._exchange(request, names)
        return code, body

    def _exchange(self, request: Request, names: Mapping[str, str]) -> tuple[int, Any, dict[str, Any]]:
        """Send a request; returns the headers that count as well."""
        headers = {"Accept": request.accept, "Content-Type": request.content_type}
        if token := self._token if request.token is None else request.token:
            headers["Authorization"] = token
        if request.user:
            headers["Impersonate-User"] = filled(request.user, names)
        url = self._api.configuration.host + filled(request.path, names)
        body = filled(request.body, names)
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        answer = self._http.request(
            request.method, url.replace(" ", "%20"), body=body, headers=headers, retries=False
        )
        # What a refused request is warned about besides concerns nobody.
        names_told = ("Warning",) if answer.status < 400 else ("Retry-After",)
        told = {name: answer.headers.getlist(name) for name in names_told if name in answer.headers}
        return answer.status, _decoded(answer.data), told

    def perform(self, requests: Sequence[Request]) -> dict[str, Any]:
        """Send a chapter; returns the answers by title."""
        names = {"ns": f"conformance-{secrets.token_hex(4)}"}
        self.send(_namespace("POST", names["ns"]), names)
        made: list[str] = []
        try:
            return {
                request.title: answer
                for request in requests
                if (answer := self._perform(request, names, made)) is not None
            }
        finally:
            for path in reversed(made):
                self.send(Request("", "DELETE", path), {})
            self.send(_namespace("DELETE", names["ns"]), names)

    def _perform(self, request: Request, names: dict[str, str], made: list[str]) -> dict[str, Any] | None:
        code, body, told = self.answer(request, names)
        if request.method == "POST" and code == 201 and "/namespaces/" not in request.path:
            made.append(f"{filled(request.path, names).partition('?')[0]}/{found(body, 'metadata.name')}")
        names |= {name: str(found(body, path)) for name, path in request.keep.items()}
        if not request.compared:
            return None if code < 400 else {"code": code, "body": normalised(body, names["ns"])}
        shown = {path: found(body, path) for path in request.look} if request.look else body
        headers = {"headers": told} if told else {}
        return {"code": code, **headers, "body": normalised(shown, names["ns"])}

    def answer(self, request: Request, names: Mapping[str, str]) -> tuple[int, Any, dict[str, Any]]:
        """Send a request until its answer is the one it waits for, for a minute at most."""
        end = time.monotonic() + UNTIL_SECONDS
        while True:
            code, body, told = self._exchange(request, names)
            if request.until is None or time.monotonic() > end:
                return code, body, told
            path, wanted = request.until
            if _is_there(code if path == "code" else found(body, path), wanted):
                return code, body, told
            time.sleep(0.1)


def found(body: Any, path: str) -> Any:
    """Return the value at a dotted path (list positions are numbers), or ``None``."""
    for part in path.split("."):
        if isinstance(body, list):
            body = body[int(part)] if part.isdigit() and int(part) < len(body) else None
        else:
            body = body.get(part) if isinstance(body, Mapping) else None
    return body


def _is_there(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return value is not None
    return value is None if wanted == ABSENT else value == wanted


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Put kept names into a path or body."""
    if isinstance(value, str):
        return _NAMED.sub(lambda match: names.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {filled(key, names): filled(item, names) for key, item in value.items()}
    return [filled(item, names) for item in value] if isinstance(value, list) else value


def _namespace(method: str, name: str) -> Request:
    if method == "POST":
        return Request("", method, "/api/v1/namespaces", {"metadata": {"name": name}})
    return Request("", method, f"/api/v1/namespaces/{name}")


def _decoded(data: bytes) -> Any:
    text = data.decode()
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return text
