# SPDX-License-Identifier: Apache-2.0
"""Starts, finds and stops a cluster in its own process: the handle for tests, demo and commands."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from airflow_priority_spark.embedded.access import ADMIN, Denial
from airflow_priority_spark.embedded.certificate import public_part
from airflow_priority_spark.embedded.fault_handle import Faults
from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.settings import ClusterSettings
from airflow_priority_spark.embedded.spark_submit import end_leftovers
from airflow_priority_spark.embedded.specs import DEFAULT_NODES, NodeSpec, Quota
from airflow_priority_spark.embedded.state_files import (
    CERTIFICATE,
    FAULTS_TOKEN,
    KUBECONFIG,
    LOG,
    STATE,
    WORK,
)
from airflow_priority_spark.embedded.store import DEFAULT_WINDOW
from airflow_priority_spark.errors import PrioritySparkError

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_MODULE = "airflow_priority_spark.embedded"


class ClusterDidNotStart(PrioritySparkError):
    """The cluster's process ended or did not answer; the message carries the end of its log."""


class EmbeddedCluster:
    """A running cluster; as a context manager it is stopped at the end."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        state = json.loads((directory / STATE).read_text())
        self.directory = directory
        self.pid: int = state["pid"]
        self.port: int = state["port"]
        self.url: str = state["url"]
        self.real_drivers: bool = state["real_drivers"]
        self.kubeconfig = directory / KUBECONFIG
        self.log = directory / LOG
        self.faults = Faults(state["faults_url"], (directory / FAULTS_TOKEN).read_text())
        self._process = process

    def trust(self) -> ssl.SSLContext:
        """Return TLS settings for requests to ``url`` without a Kubernetes client."""
        return ssl.create_default_context(cadata=public_part(self.directory / CERTIFICATE))

    @classmethod
    def start(  # noqa: PLR0913 - one keyword per option of a cluster, all but the directory optional
        cls,
        directory: Path,
        *,
        nodes: Sequence[NodeSpec] = DEFAULT_NODES,
        namespaces: Mapping[str, Quota | None] | None = None,
        runtime: str = "auto",
        simulated_seconds: float = 10.0,
        driver_start_seconds: float = 0.5,
        port: int = 0,
        without_crd: bool = False,
        bare: bool = False,
        app_root: Path | None = None,
        watch_window: int = DEFAULT_WINDOW,
        denials: Sequence[Denial] = (),
        quota_lag_seconds: float = 0.1,
        daemons: Mapping[str, Quota] | None = None,
        autoscale: Pool | None = None,
    ) -> EmbeddedCluster:
        """Start a cluster that ends with this process at the latest; returns when it answers.

        :param directory: where its files lie; created when missing.
        :param namespaces: by name, each with the ``hard`` of its ResourceQuota or ``None``.
        :param runtime: ``spark``, ``simulated`` or ``auto``.
        :param simulated_seconds: run time of simulated applications without an annotation.
        :param driver_start_seconds: from a driver's start to its request for executors.
        :param bare: a control plane only, without nodes, kubelet and Spark operator.
        :param watch_window: events per kind a watch can resume over.
        :param denials: what other users may not do; each gets a kubeconfig (``kubeconfig_of``).
        :param quota_lag_seconds: how much later a quota's status says what objects give back.
        :param daemons: by name, what each pod of a DaemonSet asks of every node.
        :param autoscale: the nodes that an autoscaler may add.
        :raises InvalidInput: when something asked for cannot be.
        :raises ClusterDidNotStart: with the end of its log.
        """
        settings = ClusterSettings(
            directory=directory.resolve(),
            port=port,
            nodes=nodes,
            namespaces=namespaces or {},
            runtime=runtime,
            simulated_seconds=simulated_seconds,
            driver_start_seconds=driver_start_seconds,
            app_root=app_root,
            with_crd=not without_crd,
            bare=bare,
            window=watch_window,
            denials=denials,
            quota_lag_seconds=quota_lag_seconds,
            daemons=daemons or {},
            autoscale=autoscale,
        )
        return cls.launch(settings, detached=False)

    @classmethod
    def launch(cls, settings: ClusterSettings, *, detached: bool) -> EmbeddedCluster:
        """Start a described cluster; ``detached`` lets it outlive this process."""
        settings.directory.mkdir(parents=True, exist_ok=True)
        (settings.directory / STATE).unlink(missing_ok=True)
        command = [sys.executable, "-m", _MODULE, *settings.to_arguments()]
        with (settings.directory / LOG).open("wb") as log:
            process = subprocess.Popen(
                command if detached else [*command, "--stop-with-stdin"],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _await_state(process, settings.directory)
        return cls(settings.directory, process)

    @classmethod
    def find(cls, directory: Path) -> EmbeddedCluster | None:
        """Return the cluster that runs in a directory, if one does."""
        try:
            cluster = cls(directory)
        except (FileNotFoundError, ValueError):
            return None
        return cluster if cluster.is_running() else None

    def kubeconfig_of(self, user: str) -> Path:
        """Return the kubeconfig of a user that a denial names, or of the admin."""
        return self.kubeconfig if user == ADMIN else self.directory / f"{KUBECONFIG}-{user}"

    def is_running(self) -> bool:
        """Whether the process is alive and is a cluster: a pid may have been given to another program."""
        if self._process is not None and self._process.poll() is not None:
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        command = Path(f"/proc/{self.pid}/cmdline")
        return not command.exists() or _is_cluster(command)

    def stop(self) -> None:
        """Stop the cluster and all it started; nothing happens when it has stopped already."""
        if self.is_running():
            os.kill(self.pid, signal.SIGTERM)
            self._await_end()
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait()
        end_leftovers(self.directory.resolve() / WORK)
        (self.directory / STATE).unlink(missing_ok=True)

    def _await_end(self) -> None:
        end = time.monotonic() + STOP_SECONDS
        while self.is_running() and time.monotonic() < end:
            time.sleep(0.02)
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)

    def __enter__(self) -> EmbeddedCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _is_cluster(command: Path) -> bool:
    try:
        line = command.read_bytes().split(b"\0")
    except OSError:
        return False
    return _MODULE.encode() in line or b"cluster" in line


def _await_state(process: subprocess.Popen[bytes], directory: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not (directory / STATE).exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            lines = (directory / LOG).read_text(errors="replace").splitlines()[-15:]
            raise ClusterDidNotStart("the embedded cluster did not start: " + "\n".join(lines))
        time.sleep(0.02)
