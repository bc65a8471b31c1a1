# SPDX-License-Identifier: Apache-2.0
"""Runs the SparkApplication controller and the kubelet against another API server, and cleans up after them.

What this process creates (nodes, their leases, the SparkApplication CRD when there is none) it removes at its
end; what was there before stays.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_priority_spark.embedded import option_values
from airflow_priority_spark.embedded.applications import ApplicationController
from airflow_priority_spark.embedded.discovery import spark_application_crd
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import CUSTOM_RESOURCE_DEFINITIONS, SPARK_APPLICATIONS
from airflow_priority_spark.embedded.kubelet import Kubelet
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.objects import Object, is_terminating
from airflow_priority_spark.embedded.programs import RuntimeSettings, SparkPrograms
from airflow_priority_spark.embedded.remote.api import RemoteApi, path_of
from airflow_priority_spark.embedded.remote.client import RemoteClient
from airflow_priority_spark.embedded.remote.logs import LogEndpoint
from airflow_priority_spark.embedded.remote.nodes import NodeFleet
from airflow_priority_spark.embedded.specs import NodeSpec
from airflow_priority_spark.errors import InvalidInput

ESTABLISH_SECONDS = 15.0
# Names in the CRD's group are protected: the API server wants to see where they were agreed on.
_APPROVED = {"api-approved.kubernetes.io": "https://github.com/kubeflow/spark-operator/pull/1298"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ControllersSettings:
    """What to run, and against which API server.

    :param context: of the kubeconfig; ``None`` for its current one.
    :param nodes: registered and served.
    :param real: run drivers as ``spark-submit``.
    :param simulated_seconds: run time of simulated applications that have no annotation.
    :param driver_start_seconds: from a driver's start to its request for executors.
    :param app_root: where ``local://`` files are looked for.
    """

    kubeconfig: Path
    context: str | None
    nodes: Sequence[NodeSpec]
    real: bool
    simulated_seconds: float
    driver_start_seconds: float
    app_root: Path | None

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> ControllersSettings:
        """Read parsed arguments; raises ``InvalidInput`` naming the flag, the value and what is allowed."""
        given = args.kubeconfig or os.environ.get("KUBECONFIG", "")
        kubeconfig = Path(given).expanduser()
        if not given or not kubeconfig.is_file():
            raise InvalidInput("--kubeconfig", given, "an existing file (or KUBECONFIG in the environment)")
        count = option_values.number("--nodes", args.nodes, 1, 5000)
        described = [NodeSpec.parse(text) for text in args.node or ()]
        return cls(
            kubeconfig=kubeconfig,
            context=args.context,
            nodes=described or [NodeSpec(f"priority-spark-{index + 1}") for index in range(count)],
            real=option_values.real_drivers(option_values.runtime(args.runtime)),
            simulated_seconds=option_values.duration("--simulated-runtime", args.simulated_runtime),
            driver_start_seconds=option_values.duration("--driver-start", args.driver_start),
            app_root=option_values.directory("--app-root", args.app_root),
        )


class Controllers:
    """The controllers of one API server; once they work, ``start`` returns; ``stop`` cleans up."""

    def __init__(self, settings: ControllersSettings, api: RemoteApi, work_directory: Path) -> None:
        self._api = api
        self._client = RemoteClient(api)
        self._logs = LogBook()
        self._programs = RuntimeSettings(
            real=settings.real,
            simulated_seconds=settings.simulated_seconds,
            driver_start_seconds=settings.driver_start_seconds,
            work_directory=work_directory,
            app_root=settings.app_root,
        )
        self._specs = settings.nodes
        self._endpoint = LogEndpoint(self._client, self._logs)
        self._fleet: NodeFleet | None = None
        self._kubelet: Kubelet | None = None
        self._crd: Object | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Install what is missing and begin; raises ``ApiError``."""
        self._crd = await self._install_crd()
        self._fleet = NodeFleet(self._client, self._api, self._specs, await self._endpoint.start())
        await self._fleet.register()
        programs = SparkPrograms(self._client, self._programs)
        self._kubelet = Kubelet(self._client, programs, self._logs, self._fleet.names)
        applications = ApplicationController(self._client)
        await self._client.follow()
        self._tasks = [
            asyncio.create_task(self._fleet.keep_alive()),
            asyncio.create_task(_restarting(applications)),
        ]

    async def stop(self) -> None:
        """End every program, then remove the nodes and the CRD if they are ours."""
        for task in self._tasks:
            task.cancel()
        if self._kubelet is not None:
            await self._kubelet.shut_down()
        self._client.stop()
        if self._fleet is not None:
            await self._fleet.remove()
        if self._crd is not None:
            await self._client.delete(CUSTOM_RESOURCE_DEFINITIONS, self._crd)
        await self._endpoint.stop()

    async def _install_crd(self) -> Object | None:
        """Create the CRD when there is none, and wait until it is served; returns it if it is ours."""
        body = spark_application_crd()
        name = body["metadata"]["name"]
        end = asyncio.get_running_loop().time() + ESTABLISH_SECONDS
        while known := await self._client.get(CUSTOM_RESOURCE_DEFINITIONS, "", name):
            # One that is on its way out serves nobody; the name is free once it is gone.
            if not is_terminating(known) or asyncio.get_running_loop().time() > end:
                return None
            await asyncio.sleep(0.2)
        metadata = {**body["metadata"], "annotations": _APPROVED}
        made = await self._client.create(
            CUSTOM_RESOURCE_DEFINITIONS, "", {"metadata": metadata, "spec": body["spec"]}
        )
        while True:
            try:
                await self._api.request("GET", path_of(SPARK_APPLICATIONS))
            except ApiError as error:
                if error.code != 404 or asyncio.get_running_loop().time() > end:
                    raise
                await asyncio.sleep(0.2)
            else:
                return made


async def run_controllers(settings: ControllersSettings) -> None:
    """Run the controllers until SIGTERM or SIGINT; raises ``InvalidInput`` or ``ApiError``."""
    until = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, until.set)
    api = await RemoteApi.open(settings.kubeconfig, settings.context)
    try:
        with tempfile.TemporaryDirectory(prefix="priority-spark-controllers-") as directory:
            controllers = Controllers(settings, api, Path(directory))
            try:
                await controllers.start()
                names = ", ".join(spec.name for spec in settings.nodes)
                drivers = "real" if settings.real else "simulated"
                print(f"Controllers serve {api.url}: nodes {names}, drivers {drivers}.", flush=True)
                await until.wait()
            finally:
                await controllers.stop()
    finally:
        await api.close()


async def _restarting(controller: ApplicationController) -> None:
    """Run the controller; one application it stumbles over must not stop it for all others."""
    while True:
        try:
            await controller.run()
        except Exception:
            _log.exception("%s", type(controller).__name__)
            await asyncio.sleep(0.1)
