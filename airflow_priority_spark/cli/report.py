# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark report``: what the queue would have done to jobs that it only observed.

On what a job would have waited was noted when it was admitted. How long, nobody can have measured: for that
the jobs are run once more by the simulator, with the quotas, pools and rules as they are now. Which
deadlocks that would have avoided follows from who ran at the same time.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from sqlalchemy.orm import Session

from airflow_priority_spark import settings
from airflow_priority_spark.cli.acts import now
from airflow_priority_spark.cli.deadlocks import Deadlock, deadlocks
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.replay import read_replay
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.scheduling.resources import format_amount
from airflow_priority_spark.simulator.run import simulate
from airflow_priority_spark.simulator.summary import wait_figures
from airflow_priority_spark.simulator.ticks import seconds
from airflow_priority_spark.store import reads
from airflow_priority_spark.store.observed import ObservedJob, hard_limits, observed_jobs

#: So many of the jobs that would have waited longest are shown to people.
LONGEST: Final = 10


@suppress_logs_and_warning
@providers_configuration_loaded
@in_one_line
def report(args: Namespace) -> None:
    """Print what would have waited, for how long and on what, and which deadlocks were risked."""
    instant = now()
    with reading() as session:
        jobs = observed_jobs(session, args.since, args.namespace)
        pictures = {
            picture.cluster: picture.data["quotas"] for picture in reads.latest_snapshots(session, instant)
        }
        waits = _simulated_waits(session, args, jobs)
    if not jobs:
        raise NotFound(
            "no job was admitted in the flow observe; `airflow priority-spark flow set --to observe` makes "
            "jobs to come go that way"
        )
    queues: dict[tuple[str, str], list[ObservedJob]] = {}
    for job in jobs:
        queues.setdefault((job.cluster, job.namespace), []).append(job)
    found = {
        name: deadlocks(members, hard_limits(pictures.get(name[0], ()), name[1]), instant)
        for name, members in queues.items()
    }
    rows = [_queue_row(name, members, waits, found[name]) for name, members in queues.items()]
    risked = [_deadlock_row(name, each) for name in queues for each in found[name]]
    waited = [_job_row(job, waits.get(job.job_id)) for job in jobs if _would_have_waited(job, waits)]
    waited.sort(key=lambda row: -(row["would_wait_seconds"] or 0.0))
    if args.output in ("json", "yaml"):
        print_document(as_data({"queues": rows, "jobs": waited, "deadlocks": risked}), args.output)
        return
    print_rows(rows, args.output)
    if waited:
        print(_heading(len(waited)))
        print_rows(waited[:LONGEST], args.output)
    if risked:
        print("The queue would have avoided these deadlocks, which nothing but luck prevented:")
        print_rows(risked, args.output)


def _heading(count: int) -> str:
    cut = f"; the {LONGEST} that would have waited longest:" if count > LONGEST else ":"
    return f"{count} {'job' if count == 1 else 'jobs'} would have waited" + cut


def _simulated_waits(session: Session, args: Namespace, jobs: Sequence[ObservedJob]) -> dict[str, float]:
    """Return for how many seconds each ended job would have waited, all jobs of its cluster considered."""
    waits: dict[str, float] = {}
    for cluster in dict.fromkeys(job.cluster for job in jobs):
        try:
            replay = read_replay(session, settings.load(), cluster, args.since, now())
        except NotFound:
            continue  # Nothing has ended yet.
        for record in simulate(replay.site(None), replay.arrivals).jobs:
            if record.admitted is not None:
                waits[record.job_id] = seconds(record.admitted - record.arrival.at)
    return waits


def _would_have_waited(job: ObservedJob, waits: Mapping[str, float]) -> bool:
    return job.verdict is not None or waits.get(job.job_id, 0.0) > 0


def _queue_row(
    name: tuple[str, str],
    jobs: Sequence[ObservedJob],
    waits: Mapping[str, float],
    risked: Sequence[Deadlock],
) -> dict[str, Any]:
    resources = Counter(job.verdict["resource"] for job in jobs if job.verdict)
    simulated = [round(waits[job.job_id] * 1_000_000) for job in jobs if job.job_id in waits]
    figures = wait_figures(simulated) or {}
    return {
        "cluster": name[0],
        "namespace": name[1],
        "observed": len(jobs),
        "would_wait": sum(_would_have_waited(job, waits) for job in jobs),
        "on": ", ".join(f"{resource} ({count})" for resource, count in resources.most_common()) or None,
        "mean_wait_seconds": figures.get("mean"),
        "p95_wait_seconds": figures.get("p95"),
        "max_wait_seconds": figures.get("max"),
        "deadlocks": len(risked),
    }


def _job_row(job: ObservedJob, wait: float | None) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "task": job.task,
        "namespace": job.namespace,
        "pool": job.pool,
        "admitted_at": job.admitted_at,
        "would_wait_seconds": wait,
        "on": job.verdict["sentence"] if job.verdict else "its turn, behind others",
    }


def _deadlock_row(name: tuple[str, str], deadlock: Deadlock) -> dict[str, Any]:
    drivers, hard = (format_amount(deadlock.key, amount) for amount in (deadlock.drivers, deadlock.hard))
    return {
        "cluster": name[0],
        "namespace": name[1],
        "start": deadlock.start,
        "lasted_seconds": (deadlock.end - deadlock.start).total_seconds(),
        "jobs": len(deadlock.job_ids),
        "says": f"{len(deadlock.job_ids)} drivers take {drivers} of {hard} {deadlock.key}; "
        "the executors of none of these jobs fit beside them",
        "job_ids": ", ".join(deadlock.job_ids),
    }
