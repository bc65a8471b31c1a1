# SPDX-License-Identifier: Apache-2.0
"""What stands before every request: size, type and origin of what would change something; safe headers.

Airflow's session is a cookie that a browser sends along with whatever page asks for it. So a request that
could change something must be JSON, which no form of a foreign site can send, and must come from a page of
this site where the browser says from where it comes. Programs with a bearer token send no ``Origin``.

Plain ASGI on purpose: a stream of events passes unbuffered.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_priority_spark.api.problems import problem

#: Bytes of a request's body; a bulk act on a thousand jobs by id has 40,000.
MAX_BODY: Final = 1024 * 1024
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses what must not pass and marks every answer.

    :param base_url: where people reach Airflow (``[api] base_url``); another host than that of the request
        when a proxy stands between.
    """

    def __init__(self, app: ASGIApp, base_url: str = "") -> None:
        self._app = app
        self._own_host = urlsplit(base_url).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope)
        body: bytes | None = None
        if refused is None and scope["method"] not in SAFE:
            body = await _read(receive)
            refused = _TOO_LARGE if body is None else None
        if refused is not None:
            await problem(scope, *refused)(scope, receive, send_marked)
            return
        await self._app(scope, receive if body is None else _replay(body, receive), send_marked)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason of a refusal that the headers suffice for."""
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > MAX_BODY:
            return _TOO_LARGE
        if scope["method"] in SAFE:
            return None
        if foreign := self._foreign(headers):
            return 403, f"the request comes from a page of another site: {foreign!r}"
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (scope["method"] == "DELETE" and not kind):
            return 415, "a request that changes something must have the Content-Type application/json"
        return None

    def _foreign(self, headers: Headers) -> str | None:
        """Return where a request of another site's page comes from."""
        origin = headers.get("origin")
        if origin is None:
            site = headers.get("sec-fetch-site", "none")
            return site if site not in ("same-origin", "none") else None
        host = urlsplit(origin).netloc.lower() if "//" in origin else ""
        return (
            origin[:200]
            if not host or host not in (headers.get("host", "").lower(), self._own_host)
            else None
        )


_TOO_LARGE: Final = (413, f"the body of a request has at most {MAX_BODY} bytes")


async def _read(receive: Receive) -> bytes | None:
    """Read a body, whatever length its headers say; ``None``: it is too large."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, then whatever comes (the client goes away)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
