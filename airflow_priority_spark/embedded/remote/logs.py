# SPDX-License-Identifier: Apache-2.0
"""The one page of a kubelet that an API server asks for: ``/containerLogs``, over TLS.

The API server does not verify a kubelet's certificate unless it is told to
(``--kubelet-certificate-authority``), so one signed by itself serves. It must reach this address, which is
loopback: on a control plane elsewhere logs cannot be read, and the API server says so. Nobody is asked who
they are: whoever reaches loopback may read what drivers print.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from aiohttp import web

from airflow_priority_spark.embedded.certificate import HOST, server_context
from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import PODS
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.podlogs import find_log, log_lines


class LogEndpoint:
    """Serves container logs on a free port, which ``start`` returns."""

    def __init__(self, client: ClusterClient, logs: LogBook) -> None:
        self._client = client
        self._logs = logs
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0.2
        )

    async def start(self) -> int:
        """Begin to listen; returns the port."""
        await self._runner.setup()
        with tempfile.TemporaryDirectory() as directory:
            context = server_context(Path(directory, "kubelet.pem"), "priority-spark kubelet")
        await web.TCPSite(self._runner, HOST, 0, ssl_context=context).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info
        pod = await self._client.get(PODS, where["namespace"], where["pod"])
        if pod is None:
            return web.Response(status=404, text=f"pod {where['pod']!r} does not exist\n")
        try:
            log = find_log(self._logs, pod, where["container"])
        except ApiError as error:
            return web.Response(status=error.code, text=error.message)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        async for line in log_lines(log, request.query):
            await response.write(line)
        await response.write_eof()
        return response
