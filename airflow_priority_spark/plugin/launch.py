# SPDX-License-Identifier: Apache-2.0
"""Starts the arbiter's supervisor from the one process that is a scheduler.

Airflow loads plugins in every process, and twice in some: once for the server side, once for the
task SDK. A LocalExecutor worker is a fork of its scheduler with the scheduler's ``sys.argv``, so the
command line alone does not tell them apart. Three questions do:

1. Is the command ``airflow scheduler``? ``airflow standalone`` runs exactly that as a subprocess.
2. Is this process no child of ``multiprocessing``? Workers and the log and health servers are.
3. Is the marker missing from the environment? It is set before the supervisor starts and inherited
   by everything that comes after, forked or executed.

Should two arbiters run nevertheless, the lease in the database lets one lead: this module only
avoids waste.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final

log = logging.getLogger(__name__)

#: Holds the process id of the scheduler that has a supervisor.
MARKER: Final = "_AIRFLOW_PRIORITY_SPARK_SCHEDULER"


def runs_airflow_scheduler(argv: Sequence[str]) -> bool:
    """Tell whether this command line is ``airflow scheduler`` or ``python -m airflow scheduler``."""
    if len(argv) < 2 or argv[1] != "scheduler":
        return False
    program = PurePath(argv[0])
    # While ``python -m airflow`` still imports the package, argv[0] is "-m".
    return program.name in ("airflow", "-m") or program.parts[-2:] == ("airflow", "__main__.py")


def is_the_scheduler(argv: Sequence[str], environ: Mapping[str, str], *, is_child: bool) -> bool:
    """Tell whether this process is a scheduler that has no supervisor yet.

    :param is_child: whether ``multiprocessing`` started this process.
    """
    return runs_airflow_scheduler(argv) and not is_child and MARKER not in environ


def _becomes_another_process(argv: Sequence[str]) -> bool:
    """Tell whether this process will go away and leave a forked daemon that loads no plugins again."""
    from airflow import settings

    return not settings.LAZY_LOAD_PLUGINS and not {"-D", "--daemon"}.isdisjoint(argv)


def start_supervisor() -> subprocess.Popen[bytes] | None:
    """Start the supervisor when this process is a scheduler that should have one.

    :raises InvalidInput: when the configuration of ``[priority_spark]`` cannot be right.
    """
    is_child = multiprocessing.parent_process() is not None
    if not is_the_scheduler(sys.argv, os.environ, is_child=is_child):
        return None
    from airflow_priority_spark import settings

    if settings.load().arbiter != "scheduler":
        return None
    if _becomes_another_process(sys.argv):
        log.warning(
            "No arbiter is started: with [core] lazy_load_plugins = False plugins load before "
            "`airflow scheduler --daemon` becomes a daemon, and the supervisor would end with the process "
            "that goes away. Set it to True, or run `airflow priority-spark arbiter` beside the scheduler."
        )
        return None
    os.environ[MARKER] = str(os.getpid())
    # The parent's process id is an argument because the parent may be gone before the child can ask.
    command = [sys.executable, "-P", "-m", "airflow_priority_spark.arbiter.supervisor", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)
