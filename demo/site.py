# SPDX-License-Identifier: Apache-2.0
"""A real Airflow on one machine: its own home, its own ports, its own processes, and none left behind.

Why not ``airflow standalone``: the demo and the tests kill single components, start them again, and
run on machines where port 8080 is taken. So each component is a process with a group and a log file
of its own, and the site finds what it started by its ``AIRFLOW_HOME``, also the grandchildren that no
longer know it (LocalExecutor workers, tasks, the arbiter and its supervisor).
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from demo.rest import AirflowApi

COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")
#: How ``/monitor/health`` calls them.
_HEALTH = {
    "api-server": "metadatabase",
    "dag-processor": "dag_processor",
    "scheduler": "scheduler",
    "triggerer": "triggerer",
}
#: Component → its command line. No component serves its logs: they lie on this machine, and the log servers
#: would listen to everyone.
_COMMANDS = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "arbiter": ("priority-spark", "arbiter"),
}
STOP_SECONDS = 10.0

#: Small and quick: fit for two cores, and for a person or a test that waits for the next step.
_CONFIG = {
    "core.executor": "LocalExecutor",
    "core.parallelism": "4",
    # Each task is a process; forked from one that has imported what Spark tasks need, it starts sooner.
    "core.mp_start_method": "forkserver",
    "core.mp_forkserver_preload": "airflow_priority_spark.operators.spark_kubernetes",
    "core.max_active_tasks_per_dag": "64",
    "core.load_examples": "False",
    "core.simple_auth_manager_all_admins": "True",
    "core.min_serialized_dag_update_interval": "5",
    "core.max_map_length": "4096",
    "api.host": "127.0.0.1",
    "api.workers": "1",
    "dag_processor.refresh_interval": "5",
    "dag_processor.min_file_process_interval": "30",
    "dag_processor.parsing_processes": "1",
    "scheduler.scheduler_idle_sleep_time": "0.3",
    "scheduler.scheduler_heartbeat_sec": "2",
    "scheduler.job_heartbeat_sec": "2",
    "scheduler.scheduler_health_check_threshold": "20",
    "scheduler.orphaned_tasks_check_interval": "10",
    "scheduler.task_instance_heartbeat_timeout": "60",
    "scheduler.max_tis_per_query": "64",
    # So late a worker may notice that its task process has ended: it sleeps that long if it looks too early.
    "workers.min_heartbeat_interval": "1",
    "priority_spark.settle_seconds": "3",
    "triggerer.job_heartbeat_sec": "2",
    "triggerer.triggerer_health_check_threshold": "20",
    "usage_data_collection.enabled": "False",
    "logging.colored_console_log": "False",
}


class SiteError(RuntimeError):
    """A component ended or did not become healthy; the message carries the end of its log."""


class AirflowSite:
    """An Airflow installation below one directory; as a context manager it is stopped at the end.

    :param directory: becomes ``AIRFLOW_HOME``; created when missing.
    :param dags: folders of DAG files; each is a bundle of its own.
    :param kubeconfig: what the connection ``kubernetes_default`` leads to.
    :param config: ``section.option`` → value, over the site's own.
    :param database_url: SQLAlchemy URL; a SQLite file in the directory by default.
    """

    def __init__(
        self,
        directory: Path,
        *,
        dags: Path | Sequence[Path],
        kubeconfig: Path,
        config: Mapping[str, str] | None = None,
        database_url: str | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.database_url = database_url or f"sqlite:///{self.directory}/airflow.db"
        self.port = free_port()
        self.api = AirflowApi(f"http://127.0.0.1:{self.port}")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._engine: Engine | None = None
        bundles = [dags] if isinstance(dags, Path) else list(dags)
        self.variables = {
            "AIRFLOW_HOME": str(self.directory),
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": _connection(kubeconfig),
            **_as_environment({**_CONFIG, **self._own_config(bundles), **(config or {})}),
        }
        self._write_environment()
        atexit.register(self.stop)

    def _own_config(self, bundles: Sequence[Path]) -> dict[str, str]:
        return {
            "core.dags_folder": str(bundles[0].resolve()),
            "core.fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "core.execution_api_server_url": f"{self.api.base_url}/execution/",
            "api.port": str(self.port),
            "api.base_url": self.api.base_url,
            "api.secret_key": secrets.token_urlsafe(24),
            "api_auth.jwt_secret": secrets.token_urlsafe(48),
            "database.sql_alchemy_conn": self.database_url,
            "dag_processor.dag_bundle_config_list": _bundles(bundles),
        }

    def _write_environment(self) -> None:
        """Leave the settings where a person's shell can ``source`` them."""
        self.environment_file.touch(mode=0o600)
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.variables.items()]
        self.environment_file.write_text("".join(lines))

    @property
    def environment_file(self) -> Path:
        """A file that a shell can source to run ``airflow`` commands on this site; holds its secrets."""
        return self.directory / "environment.sh"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this site's processes: no other Airflow's settings, no proxy to loopback."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        outside.pop("_AIRFLOW_PROCESS_CONTEXT", None)
        local = "127.0.0.1,localhost"
        return {**outside, "NO_PROXY": local, "no_proxy": local, "PYTHONUNBUFFERED": "1", **self.variables}

    def migrate(self) -> None:
        """Create or upgrade the tables.

        :raises SiteError: with what the command said.
        """
        done = self.airflow("db", "migrate")
        if done.returncode:
            raise SiteError(f"airflow db migrate ended with {done.returncode}:\n{done.stdout[-4000:]}")

    def airflow(self, *arguments: str, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Run an ``airflow`` command on this site; ``stdout`` and ``stderr`` are text and apart."""
        return subprocess.run(
            _command(*arguments),
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def log_file(self, name: str) -> Path:
        """Return where a component's output goes; restarts append."""
        return self.directory / f"{name}.log"

    def start(self, *names: str) -> None:
        """Start components, each in a process group of its own; do not wait.

        :param names: of ``COMPONENTS`` (all four by default), or ``arbiter`` for one that nobody supervises.
        """
        for name in names or COMPONENTS:
            with self.log_file(name).open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    _command(*_COMMANDS[name]),
                    env=self.environment,
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the component's own process, not to what it started, and wait for its end."""
        process = self._processes[name]
        process.send_signal(number)
        process.wait(STOP_SECONDS)

    def restart(self, name: str) -> None:
        """Start a component again, after ending what is left of its group, as a service manager does."""
        self._end([self._processes[name]])
        self.start(name)

    def wait_healthy(self, timeout: float = 240.0) -> None:
        """Return when every component that was started says it is healthy.

        :raises SiteError: when one has ended, or after ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while missing := self._unhealthy():
            for name in missing:
                if self._processes[name].poll() is not None:
                    raise SiteError(f"{name} has ended:\n{self.log_end(name)}")
            if time.monotonic() > end:
                logs = "\n".join(f"--- {name}\n{self.log_end(name)}" for name in missing)
                raise SiteError(f"not healthy after {timeout:g} s: {', '.join(missing)}\n{logs}")
            time.sleep(0.5)

    def _unhealthy(self) -> list[str]:
        if "api-server" in self._processes:
            health = self.api.health()
            return [
                name for name in self._processes if name in _HEALTH and health.get(_HEALTH[name]) != "healthy"
            ]
        return []

    def log_end(self, name: str, lines: int = 25) -> str:
        """Return the last lines of a component's log."""
        return "\n".join(self.log_file(name).read_text(errors="replace").splitlines()[-lines:])

    def wait_dags(self, *dag_ids: str, timeout: float = 60.0) -> None:
        """Return when these DAGs are parsed and stored.

        :raises SiteError: with the end of the DAG processor's log.
        """
        end = time.monotonic() + timeout
        while missing := [dag_id for dag_id in dag_ids if not self.api.has_dag(dag_id)]:
            if time.monotonic() > end:
                raise SiteError(f"not parsed: {', '.join(missing)}\n{self.log_end('dag-processor', 60)}")
            time.sleep(0.5)

    def running(self, *words: str) -> list[psutil.Process]:
        """Return this site's processes whose command line holds all these words, oldest first."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("AIRFLOW_HOME") == str(self.directory) and set(words) <= set(
                    process.cmdline()
                ):
                    found.append(process)
        return sorted(found, key=lambda process: process.create_time())

    def database(self) -> Session:
        """Open a session of our own on the metadata database."""
        if self._engine is None:
            self._engine = create_engine(self.database_url)
        return Session(self._engine, expire_on_commit=False)

    def stop(self) -> None:
        """End everything this site has started; nothing happens when it has ended already."""
        atexit.unregister(self.stop)
        self._end(self._processes.values())
        self._processes.clear()
        for process in self.running():
            with suppress(psutil.Error):
                process.kill()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @staticmethod
    def _end(processes: Sequence[subprocess.Popen[bytes]] | Any) -> None:
        processes = list(processes)
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> AirflowSite:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on right now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different free TCP ports on loopback."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "airflow", *arguments]


def _connection(kubeconfig: Path) -> str:
    extra = {"kube_config_path": str(kubeconfig.resolve())}
    return json.dumps({"conn_type": "kubernetes", "extra": extra})


def _bundles(folders: Sequence[Path]) -> str:
    classpath = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [
        {
            "name": "dags-folder" if number == 0 else f"dags-folder-{number}",
            "classpath": classpath,
            "kwargs": {"path": str(folder.resolve()), "refresh_interval": 5},
        }
        for number, folder in enumerate(folders)
    ]
    return json.dumps(bundles)


def _as_environment(config: Mapping[str, str]) -> dict[str, str]:
    """Turn ``section.option`` into ``AIRFLOW__SECTION__OPTION``."""
    return {
        "AIRFLOW__{}__{}".format(*(part.upper() for part in name.split(".", 1))): value
        for name, value in config.items()
    }
