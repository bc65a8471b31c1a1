# SPDX-License-Identifier: Apache-2.0
"""The arbiter as a process of Airflow: its job row, its signals, and what must hold before it starts.

The loop itself knows nothing of processes; it is given an event that says stop and a function that
says "I am alive". ``airflow jobs check`` and ``airflow priority-spark check`` read the latter.
"""

from __future__ import annotations

import datetime
import gc
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from airflow.jobs.base_job_runner import BaseJobRunner
from airflow.jobs.job import Job, perform_heartbeat, run_job
from airflow.utils.net import get_hostname
from airflow.utils.session import create_session

from airflow_priority_spark import __version__
from airflow_priority_spark.arbiter.airflow_check import check_airflow
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.settings import Settings, load
from airflow_priority_spark.store.session import SessionFactory, bounded, check_migrated

log = logging.getLogger(__name__)

#: At most 30 characters: the column of Airflow's ``job`` table.
JOB_TYPE: Final = "PrioritySparkArbiterJob"
#: A stuck arbiter is gone after this long; below the 5 s in which SIGTERM must have ended it.
END_SECONDS: Final = 4.5


class Loop(Protocol):
    """What runs cycles; see ``ArbiterLoop``."""

    def run(self, stop: threading.Event, heartbeat: Callable[[], None]) -> None:
        """Run cycles until ``stop`` is set, calling ``heartbeat`` once in each."""


class BuildLoop(Protocol):
    """How a loop is made."""

    def __call__(self, settings: Settings, session_factory: SessionFactory, *, holder: str) -> Loop:
        """Return a loop that leads as ``holder``."""


class ArbiterJobRunner(BaseJobRunner):
    """Runs a loop as an Airflow job.

    :param job: the row whose heartbeat says that this arbiter lives.
    :param stop: ends the loop when set.
    """

    job_type = JOB_TYPE

    def __init__(self, job: Job, loop: Loop, stop: threading.Event) -> None:
        super().__init__(job)
        self._loop = loop
        self._stop = stop

    def heartbeat(self) -> None:
        """Renew the heartbeat when it is due.

        Only then: ``Job.heartbeat`` called early sleeps until the heart rate is over, and a cycle must
        not wait for that.
        """
        perform_heartbeat(self.job, self.heartbeat_callback, only_if_necessary=True)

    def _execute(self) -> int | None:
        self._loop.run(self._stop, self.heartbeat)
        return None


def run(build_loop: BuildLoop | None = None) -> None:
    """Run an arbiter until SIGTERM or SIGINT.

    :param build_loop: makes the loop; ``ArbiterLoop`` by default.
    :raises InvalidInput: the configuration cannot be right.
    :raises DatabaseNotMigrated: the message says which command to run.
    :raises IncompatibleAirflow: the message says what differs.
    """
    # Connections come from the database, as in a scheduler, and not from a task's API.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    settings = load()
    check_airflow()
    with create_session() as session:
        check_migrated(session)
    _start_metrics()
    stop = threading.Event()
    _stop_on_signals(stop)
    holder = f"{get_hostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    loop = (build_loop or _default_loop())(settings, _session_factory(settings), holder=holder)
    log.info(
        "Arbiter %s starts (version %s): a cycle at the latest every %g s, takes over after %g s",
        holder,
        __version__,
        settings.poll_interval_seconds,
        settings.lease_seconds,
    )
    spare_the_collector()
    runner = ArbiterJobRunner(Job(), loop, stop)
    with _exporter(settings):
        run_job(job=runner.job, execute_callable=runner._execute)
    log.info("Arbiter %s has ended", holder)


def spare_the_collector() -> None:
    """Keep Python's garbage collector off what lives as long as the process.

    A cycle over many queues makes tens of thousands of objects, and each time the collector ran in it, it
    would also look through all of Airflow, a third of a cycle's time
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.collect()
    gc.freeze()


def _default_loop() -> BuildLoop:
    from airflow_priority_spark.arbiter.loop import ArbiterLoop

    return ArbiterLoop


def _session_factory(settings: Settings) -> SessionFactory:
    """Return Airflow's own session factory, with limits below the time after which another takes over."""
    from airflow import settings as airflow_settings

    limit = settings.lease_seconds / 2
    return bounded(airflow_settings.NonScopedSession, lock_seconds=limit, idle_seconds=limit)


@contextmanager
def _exporter(settings: Settings) -> Iterator[None]:
    """Answer Prometheus meanwhile, if the site wants it; a port that is taken stops no arbiter."""
    if not settings.metrics_arbiter_port:
        yield
        return
    from airflow import settings as airflow_settings

    from airflow_priority_spark.metrics.exporter import Exporter, Listening

    listening = Listening.of(settings, settings.metrics_arbiter_port)
    try:
        exporter = Exporter(
            listening,
            airflow_settings.NonScopedSession,
            settings,
            lambda: datetime.datetime.now(datetime.UTC),
        )
    except InvalidInput as error:
        log.warning("This arbiter exports no metrics: %s", error)
        yield
        return
    exporter.start()
    log.info("Metrics are on port %s", exporter.port)
    try:
        yield
    finally:
        exporter.close()


def _start_metrics() -> None:
    """Connect Airflow's metrics, as each of its long-running processes does for itself."""
    from airflow.configuration import conf
    from airflow.observability import stats
    from airflow.observability.metrics import stats_utils

    stats.initialize(
        factory=stats_utils.get_stats_factory(),
        export_legacy_names=conf.getboolean("metrics", "legacy_names_on"),
    )


def _stop_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` at SIGTERM or SIGINT, and leave anyway when the loop does not end in time.

    Python runs a signal's handler in the main thread, and only between two of its instructions: while a
    cycle waits inside the database driver, perhaps for a lock, nothing would happen. The interpreter's own
    handler writes the signal's number to a pipe at once, so another thread reads it there.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_await_signal, args=(reader, stop), name="stop", daemon=True).start()


def _await_signal(reader: int, stop: threading.Event) -> None:
    while (number := os.read(reader, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
        pass
    log.info("Arbiter received %s and ends", signal.Signals(number).name)
    _stop_or_leave(stop)


def _stop_or_leave(stop: threading.Event) -> None:
    stop.set()
    time.sleep(END_SECONDS)
    log.warning("Arbiter has not ended within %g s and leaves; the next leader goes on", END_SECONDS)
    logging.shutdown()
    os._exit(1)
