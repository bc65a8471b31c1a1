# SPDX-License-Identifier: Apache-2.0
"""Where faults are added and cleared: a port of its own, so that it answers while the API's port is closed.

Whoever may cause faults shows a token, which lies next to the kubeconfig and is neither a user's nor the
admin's of the API.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from airflow_priority_spark.embedded.faults import FaultBoard
from airflow_priority_spark.errors import InvalidInput

HOST = "127.0.0.1"
PATH = "/faults"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultEndpoint:
    """``GET``, ``POST`` and ``DELETE`` on ``/faults``, ``DELETE /faults/ID``."""

    def __init__(self, board: FaultBoard) -> None:
        self.token = secrets.token_urlsafe(24)
        self._board = board
        application = web.Application(middlewares=[self._guarded])
        application.router.add_get(PATH, self._list)
        application.router.add_post(PATH, self._add)
        application.router.add_delete(PATH, self._clear)
        application.router.add_delete(PATH + "/{id}", self._clear)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)

    async def start(self) -> str:
        """Begin to listen on a free port; returns the URL."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        return f"http://{HOST}:{self._runner.addresses[0][1]}{PATH}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            return web.json_response({"message": "the token of the file faults-token is needed"}, status=401)
        try:
            return await handler(request)
        except InvalidInput as error:
            return web.json_response({"message": str(error)}, status=422)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([fault.as_data() for fault in self._board.active()])

    async def _add(self, request: web.Request) -> web.Response:
        body = await request.json()
        options = {str(key): str(value) for key, value in (body.get("options") or {}).items()}
        return web.json_response(self._board.add(str(body.get("kind")), options).as_data(), status=201)

    async def _clear(self, request: web.Request) -> web.Response:
        ended = self._board.clear(request.match_info.get("id"))
        return web.json_response([fault.as_data() for fault in ended])
