# SPDX-License-Identifier: Apache-2.0
"""Puts a cluster together and serves it until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from aiohttp import web

from airflow_priority_spark.embedded.access import Access
from airflow_priority_spark.embedded.applications import ApplicationController
from airflow_priority_spark.embedded.autoscaler import Autoscaler
from airflow_priority_spark.embedded.catalog import Catalog
from airflow_priority_spark.embedded.certificate import server_context
from airflow_priority_spark.embedded.claim_protection import ClaimProtection
from airflow_priority_spark.embedded.client import LocalClient
from airflow_priority_spark.embedded.collector import Collector
from airflow_priority_spark.embedded.daemons import Daemons
from airflow_priority_spark.embedded.definitions import Definitions
from airflow_priority_spark.embedded.discovery import spark_application_crd
from airflow_priority_spark.embedded.door import HOST, Door
from airflow_priority_spark.embedded.fault_endpoint import FaultEndpoint
from airflow_priority_spark.embedded.fault_gate import FaultGate
from airflow_priority_spark.embedded.faults import Fault, FaultBoard
from airflow_priority_spark.embedded.kinds import (
    CORE_KINDS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DAEMON_SETS,
    METRICS_KINDS,
    NAMESPACES,
    NODES,
    RESOURCE_QUOTAS,
)
from airflow_priority_spark.embedded.kubelet import Kubelet
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.metrics import Metrics
from airflow_priority_spark.embedded.node_faults import NodeFaults
from airflow_priority_spark.embedded.node_lifecycle import NodeLifecycle
from airflow_priority_spark.embedded.objects import set_clock_skew
from airflow_priority_spark.embedded.orphans import Orphans
from airflow_priority_spark.embedded.programs import RuntimeSettings, SparkPrograms
from airflow_priority_spark.embedded.quota import QuotaLedger
from airflow_priority_spark.embedded.scheduler import Scheduler
from airflow_priority_spark.embedded.server import ApiServer
from airflow_priority_spark.embedded.settings import ClusterSettings
from airflow_priority_spark.embedded.spark_submit import end_leftovers
from airflow_priority_spark.embedded.specs import daemon_manifest
from airflow_priority_spark.embedded.state_files import (
    CERTIFICATE,
    FAULTS_TOKEN,
    STATE,
    WORK,
    cluster_uid,
    write_kubeconfigs,
    write_private,
    write_state,
)
from airflow_priority_spark.embedded.store import Store
from airflow_priority_spark.embedded.taint_eviction import TaintEviction
from airflow_priority_spark.embedded.usage import Meter
from airflow_priority_spark.embedded.verbs import Verbs

# Watches never end by themselves: closing them is not worth waiting for.
_CLOSE_SECONDS = 0.2
_log = logging.getLogger(__name__)

Controller = Scheduler | Collector | ApplicationController | Daemons | Autoscaler


class Cluster:
    """The API server and the controllers of one cluster, in this process."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self.access = Access(settings.denials)
        store = Store(settings.window)
        # Who measures is on the nodes, and a bare control plane has none.
        catalog = Catalog(CORE_KINDS, () if settings.bare else METRICS_KINDS)
        self._ledger = QuotaLedger(store, CORE_KINDS)
        self._verbs = Verbs(store, self._ledger, catalog)
        Definitions(self._verbs, catalog)
        client, logs = LocalClient(self._verbs), LogBook()
        self.faults = FaultBoard()
        self.faults.listen(self._on_fault)
        NodeFaults(self._verbs, self.faults)
        NodeLifecycle(self._verbs)
        TaintEviction(self._verbs)
        Orphans(self._verbs)
        ClaimProtection(self._verbs)
        runtime = RuntimeSettings(
            real=settings.real_drivers,
            simulated_seconds=settings.simulated_seconds,
            driver_start_seconds=settings.driver_start_seconds,
            work_directory=settings.directory / WORK,
            app_root=settings.app_root,
        )
        self._kubelet: Kubelet | None = None
        collector = Collector(client, CORE_KINDS)
        catalog.listen(self._ledger.follow)
        catalog.listen(collector.follow)
        self._controllers: list[Controller] = [Scheduler(client), collector, Daemons(client)]
        if settings.autoscale:
            self._controllers.append(Autoscaler(self._verbs, settings.autoscale))
        if not settings.bare:
            self._kubelet = Kubelet(client, SparkPrograms(client, runtime), logs, faults=self.faults)
            self._controllers.append(ApplicationController(client, self.faults))
        metrics = Metrics(store, Meter(settings.directory / WORK))
        self.server = ApiServer(self._verbs, self.access, logs, FaultGate(self.faults), metrics)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Create the described objects and start the controllers."""
        self._tasks = [asyncio.create_task(_restarting(controller)) for controller in self._controllers]
        system = {"metadata": {"name": "kube-system", "uid": cluster_uid(self.settings.directory)}}
        self._verbs.create(NAMESPACES, "", system)
        for name in dict.fromkeys(["default", *self.settings.namespaces]):
            self._verbs.create(NAMESPACES, "", {"metadata": {"name": name}})
        for name, hard in self.settings.namespaces.items():
            if hard:
                quota = {"metadata": {"name": name}, "spec": {"hard": dict(hard)}}
                self._verbs.create(RESOURCE_QUOTAS, name, quota)
        for name, asked in self.settings.daemons.items():
            self._verbs.create(DAEMON_SETS, "kube-system", daemon_manifest(name, asked))
        # Quotas that the cluster begins with are in force when it first answers.
        self._ledger.lag = self.settings.quota_lag_seconds
        for node in () if self.settings.bare else self.settings.nodes:
            self._verbs.create(NODES, "", node.manifest())
        if self.settings.with_crd:
            self._verbs.create(CUSTOM_RESOURCE_DEFINITIONS, "", spark_application_crd())

    def _on_fault(self, _: str, fault: Fault) -> None:
        if fault.kind == "clock-skew":
            skew = self.faults.find("clock-skew")
            set_clock_skew(skew.by if skew else 0)

    async def stop(self) -> None:
        """End the controllers and every program they run."""
        for task in self._tasks:
            task.cancel()
        if self._kubelet is not None:
            await self._kubelet.shut_down()


async def serve(settings: ClusterSettings, *, stop_with_stdin: bool) -> None:
    """Serve until SIGTERM or SIGINT, or until standard input ends, which tells that the parent is gone."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    end_leftovers(settings.directory / WORK)
    cluster = Cluster(settings)
    cluster.start()
    runner = web.AppRunner(
        cluster.server.application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=_CLOSE_SECONDS,
    )
    await runner.setup()
    context = server_context(settings.directory / CERTIFICATE, "embedded cluster")
    door = Door(runner, settings.port, context, cluster.faults)
    await door.open()
    endpoint = FaultEndpoint(cluster.faults)
    url = _write_files(cluster, door.port, await endpoint.start(), endpoint.token)
    _log.info("serving on %s, drivers %s", url, "real" if settings.real_drivers else "simulated")
    try:
        await _told_to_stop(stop_with_stdin=stop_with_stdin)
    finally:
        await cluster.stop()
        await endpoint.stop()
        await runner.cleanup()
        (settings.directory / STATE).unlink(missing_ok=True)


async def _restarting(controller: Controller) -> None:
    """Run a controller; one object it stumbles over must not stop it for all others."""
    while True:
        try:
            await controller.run()
        except Exception:
            _log.exception("%s", type(controller).__name__)
            await asyncio.sleep(0.1)


async def _told_to_stop(*, stop_with_stdin: bool) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if stop_with_stdin:
        loop.add_reader(sys.stdin.fileno(), stopped.set)
    await stopped.wait()


def _write_files(cluster: Cluster, port: int, faults_url: str, faults_token: str) -> str:
    """Write what clients need, the state at last; returns the URL."""
    directory, url = cluster.settings.directory, f"https://{HOST}:{port}"
    write_kubeconfigs(directory, url, cluster.access.tokens)
    write_private(directory / FAULTS_TOKEN, faults_token)
    real = cluster.settings.real_drivers
    write_state(directory, {"port": port, "url": url, "real_drivers": real, "faults_url": faults_url})
    return url
