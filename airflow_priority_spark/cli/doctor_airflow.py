# SPDX-License-Identifier: Apache-2.0
"""The doctor's look at Airflow itself: processes that must live, APIs that must answer or fit."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Final

from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.jobs.job import most_recent_job
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.airflow_check import check_airflow
from airflow_priority_spark.cli.doctor_findings import Finding
from airflow_priority_spark.errors import IncompatibleAirflow
from airflow_priority_spark.settings import Settings

_ANSWER_SECONDS: Final = 5.0
#: Job type → the command that runs it, and what does not happen without it.
PROCESSES: Final = {
    "SchedulerJob": ("scheduler", "nothing starts"),
    "TriggererJob": ("triggerer", "nobody learns that an application has ended"),
}


def resume_api() -> Finding:
    """Tell whether Airflow has the internal API that tasks are resumed through."""
    try:
        check_airflow()
    except IncompatibleAirflow as error:
        mend = "Upgrade airflow-provider-priority-spark, or go back to the previous version of Airflow."
        return Finding("airflow", "internal API", "problem", str(error), mend)
    return Finding("airflow", "internal API", "ok", "has the shape that tasks are resumed through")


def processes(session: Session) -> Iterator[Finding]:
    """Tell whether a scheduler and a triggerer live."""
    for job_type, (command, lost) in PROCESSES.items():
        job = most_recent_job(job_type, session=session)
        if job is not None and job.is_alive():
            yield Finding("airflow", command, "ok", f"lives on {job.hostname}")
            continue
        seen = f"; the last heartbeat was at {job.latest_heartbeat:%Y-%m-%d %H:%M:%S}Z" if job else ""
        yield Finding(
            "airflow", command, "problem", f"none is alive: {lost}{seen}", f"Run: airflow {command}"
        )


def executor() -> Finding:
    """Tell whether the configured executors can be loaded."""
    configured = conf.get("core", "executor")
    try:
        names = [name.alias or name.module_path for name in ExecutorLoader.get_executor_names()]
        ExecutorLoader.import_default_executor_cls()
    except Exception as error:
        # Whatever an executor's module raises while it is imported is the finding.
        return Finding(
            "airflow",
            "executor",
            "problem",
            f"[core] executor = {configured} cannot be loaded: {error}",
            "Correct [core] executor, or install the provider that brings it.",
        )
    return Finding("airflow", "executor", "ok", ", ".join(names))


def execution_api() -> Finding:
    """Tell whether the API answers that workers report to."""
    base = conf.get("api", "base_url", fallback="http://localhost:8080")
    url = conf.get("core", "execution_api_server_url", fallback="") or f"{base.rstrip('/')}/execution/"
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=_ANSWER_SECONDS) as answer:
            answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        return Finding(
            "airflow",
            "execution API",
            "problem",
            f"{url} does not answer: {getattr(error, 'reason', None) or error}",
            "Start airflow api-server, or correct [core] execution_api_server_url; workers cannot run "
            "without it.",
        )
    return Finding("airflow", "execution API", "ok", f"{url} answers")


def settling(settings: Settings) -> Finding:
    """Compare ``settle_seconds`` with the time in which a worker notices that it has ended."""
    heartbeat = conf.getint("workers", "min_heartbeat_interval", fallback=5)
    if settings.settle_seconds > heartbeat:
        return Finding("airflow", "settle_seconds", "ok", f"{settings.settle_seconds:g} s")
    return Finding(
        "airflow",
        "settle_seconds",
        "warning",
        f"[priority_spark] settle_seconds = {settings.settle_seconds:g} is not above [workers] "
        f"min_heartbeat_interval = {heartbeat}: Airflow may fail a task that is resumed before its scheduler "
        "has seen its worker end",
        f"Set [priority_spark] settle_seconds to {heartbeat + 2}.",
    )
