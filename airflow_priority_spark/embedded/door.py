# SPDX-License-Identifier: Apache-2.0
"""The port the API is served on over TLS, which the fault ``refused`` closes."""

from __future__ import annotations

import asyncio
import ssl

from aiohttp import web

from airflow_priority_spark.embedded.certificate import HOST
from airflow_priority_spark.embedded.faults import Fault, FaultBoard

_BACKLOG = 1024


class Door:
    """Opens the port; while a fault ``refused`` is active it is closed and every connection is cut.

    :param port: 0 takes a free one, which stays the same however often it is closed.
    :param context: the TLS settings.
    """

    def __init__(self, runner: web.AppRunner, port: int, context: ssl.SSLContext, faults: FaultBoard) -> None:
        self.port = port
        self._context = context
        self._runner = runner
        self._faults = faults
        self._site: web.TCPSite | None = None
        self._turn = asyncio.Lock()
        self._turning: set[asyncio.Task[None]] = set()
        faults.listen(self._on_fault)

    async def open(self) -> None:
        """Listen."""
        self._site = web.TCPSite(
            self._runner,
            HOST,
            self.port,
            ssl_context=self._context,
            backlog=_BACKLOG,
            reuse_address=True,
        )
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    def _on_fault(self, _: str, fault: Fault) -> None:
        if fault.kind == "refused":
            task = asyncio.ensure_future(self._follow())
            self._turning.add(task)
            task.add_done_callback(self._turning.discard)

    async def _follow(self) -> None:
        async with self._turn:
            closed = self._faults.find("refused") is not None
            if closed and self._site is not None:
                await self._close(self._site)
            elif not closed and self._site is None:
                await self.open()

    async def _close(self, site: web.TCPSite) -> None:
        self._site = None
        await site.stop()
        server = self._runner.server
        for connection in list(server.connections) if server else ():
            if connection.transport is not None:
                connection.transport.abort()
