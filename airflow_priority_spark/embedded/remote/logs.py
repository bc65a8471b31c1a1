# SPDX-License-Identifier: Apache-2.0
"""The one page of a kubelet that an API server asks for: ``/containerLogs``, over TLS.

The API server does not verify a kubelet's certificate unless it is told to
(``--kubelet-certificate-authority``), so one signed by itself serves. It must reach this address, which is
loopback: on a control plane elsewhere logs cannot be read, and the API server says so. Nobody is asked who
they are: whoever reaches loopback may read what drivers print.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import PODS
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.podlogs import find_log, log_lines

HOST = "127.0.0.1"


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
        await web.TCPSite(self._runner, HOST, 0, ssl_context=_context()).start()
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


def _context() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "priority-spark kubelet")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "kubelet.pem")
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(file)
    return context
