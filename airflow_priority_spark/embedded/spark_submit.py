# SPDX-License-Identifier: Apache-2.0
"""Runs an application's program as a real ``spark-submit`` on this machine.

The driver's cores become ``local[N]``: the program really computes, and takes longer with fewer cores.
Nothing of the host's environment reaches it but what finds Java and Python, as in a container.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_priority_spark.embedded.logbook import ContainerLog
from airflow_priority_spark.embedded.spark_requests import driver_cores

MINIMUM_JAVA = 17
_LINE_LIMIT = 1 << 20
_INHERITED = ("PATH", "HOME", "JAVA_HOME", "LANG", "LC_ALL", "TMPDIR", "SPARK_LOCAL_DIRS")
# Settings that place a driver and its executors in a cluster: here both are this process.
_NOT_PASSED_ON = ("spark.kubernetes.", "spark.master", "spark.submit.deployMode", "spark.dynamicAllocation.")
_LOCAL_CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
_PARENT_DEATH_SIGNAL = 1
# Set for every program, with its cluster's work directory: how leftovers of a killed cluster are recognised.
_WORK_VARIABLE = "PRIORITY_SPARK_WORK_DIRECTORY"


@functools.cache
def java_version() -> int | None:
    """Return the major version of the Java that Spark would use, or ``None``."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if not java or not os.access(java, os.X_OK):
        return None
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match[1]) if match else None


def obstacle() -> str | None:
    """Return why real drivers cannot run on this machine, or ``None`` when they can."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'airflow-provider-priority-spark[demo]')"
    version = java_version()
    if version is None:
        return f"no Java found on PATH or in JAVA_HOME (Spark needs Java {MINIMUM_JAVA} or newer)"
    if version < MINIMUM_JAVA:
        return f"Java {version} found, Spark needs {MINIMUM_JAVA} or newer"
    return None


def local_path(file: str, app_root: Path | None) -> str:
    """Return where a ``local://`` file of the image lies on this machine.

    An existing absolute path is used as it is; below ``app_root`` the image's ``/opt/spark/`` may be missing.
    """
    inside = file.removeprefix("local://")
    if inside == file or Path(inside).exists() or app_root is None:
        return inside
    candidates = (app_root / inside.lstrip("/"), app_root / inside.removeprefix("/opt/spark/").lstrip("/"))
    return str(next((path for path in candidates if path.exists()), candidates[-1]))


def command(app: Mapping[str, Any], app_root: Path | None) -> list[str]:
    """Return the ``spark-submit`` command line of an application."""
    spec = app["spec"]
    given = {
        key: value
        for key, value in (spec.get("sparkConf") or {}).items()
        if not key.startswith(_NOT_PASSED_ON)
    }
    line = [str(_spark_home() / "bin" / "spark-submit"), "--master", f"local[{driver_cores(spec)}]"]
    line += ["--name", app["metadata"]["name"]]
    if memory := spec["driver"].get("memory"):
        line += ["--driver-memory", memory]
    for key, value in {**_LOCAL_CONF, **given}.items():
        line += ["--conf", f"{key}={value}"]
    if spec.get("mainClass"):
        line += ["--class", spec["mainClass"]]
    for option, field in (("--py-files", "pyFiles"), ("--jars", "jars"), ("--files", "files")):
        if files := (spec.get("deps") or {}).get(field):
            line += [option, ",".join(local_path(file, app_root) for file in files)]
    return [*line, local_path(spec["mainApplicationFile"], app_root), *map(str, spec.get("arguments") or ())]


async def run(
    app: Mapping[str, Any],
    driver: Mapping[str, Any],
    log: ContainerLog,
    directory: Path,
    app_root: Path | None,
) -> int:
    """Run the program in ``directory``; returns its exit code. Cancelling ends its whole process group."""
    directory.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command(app, app_root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env={**_environment(driver), _WORK_VARIABLE: str(directory.parent)},
        start_new_session=True,
        preexec_fn=_die_with_parent,
        limit=_LINE_LIMIT,
    )
    try:
        await _copy(process, log)
        code = await process.wait()
    finally:
        await _end_group(process, driver["spec"].get("terminationGracePeriodSeconds", 30))
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return code if code >= 0 else 128 - code


async def _copy(process: asyncio.subprocess.Process, log: ContainerLog) -> None:
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            log.write("(a line longer than 1 MiB was left out)")
            continue
        if not line:
            return
        log.write(line.decode(errors="replace").rstrip("\r\n"))


async def _end_group(process: asyncio.subprocess.Process, grace: float) -> None:
    """Signal what is left of the process group, and kill what does not listen."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def end_leftovers(work_directory: Path) -> None:
    """Kill the programs that a cluster, itself killed, has left running; they are known by their environment.

    The signal at the parent's death reaches Java, not the Python below it. Elsewhere than on Linux, where
    there is no ``/proc``, nothing is found.
    """
    mark = f"{_WORK_VARIABLE}={work_directory}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:  # it has ended, or belongs to someone else
            continue


def _die_with_parent() -> None:
    """Ask Linux to end this child when the cluster's process is killed without a chance to clean up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _environment(driver: Mapping[str, Any]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {
        item["name"]: item["value"]
        for item in driver["spec"]["containers"][0].get("env") or ()
        if isinstance(item.get("value"), str)
    }
    python = {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONUNBUFFERED": "1",
    }
    return {**inherited, **python, "SPARK_HOME": str(_spark_home()), "SPARK_LOCAL_IP": "127.0.0.1", **own}


@functools.cache
def _spark_home() -> Path:
    found = find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
