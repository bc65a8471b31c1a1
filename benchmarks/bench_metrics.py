# SPDX-License-Identifier: Apache-2.0
"""How long a scrape takes while many jobs wait.

A site as it is on a bad day: 10,000 jobs wait in twenty priority pools, 200 are admitted, and the events of
the last ten seconds are not tallied yet. It is scraped over HTTP, as Prometheus does.
"""

from __future__ import annotations

import datetime
import statistics
import time
import urllib.request

from benchmarks import store_site as sites
from benchmarks.figures import Figures, Target

WAITING, ADMITTED, ROUNDS = 10_000, 200, 20
WANTED_MS = 300.0


def run(*, full: bool) -> Figures:
    """Make the site and scrape it, five times as often with ``full``."""
    with sites.site() as database:
        return measure(database, ROUNDS * 5 if full else ROUNDS)


def measure(database: sites.Site, rounds: int) -> Figures:
    """Return what scrapes cost."""
    from airflow_priority_spark.metrics.exporter import Exporter, Listening
    from airflow_priority_spark.settings import Settings

    fill(database.session)
    exporter = Exporter(
        Listening("127.0.0.1", 0),
        database.session,
        Settings(),
        lambda: datetime.datetime.now(datetime.UTC),
    )
    exporter.start()
    seconds, cpu, size, series = [], [], 0, 0
    for _ in range(rounds):
        began, worked = time.perf_counter(), time.process_time()
        with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}/metrics", timeout=60) as answer:
            body = answer.read()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - worked)
        size, series = len(body), sum(not line.startswith(b"#") for line in body.splitlines())
    exporter.close()
    busy = round(statistics.median(cpu) * 1000, 1)
    median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
    return Figures(
        "metrics",
        f"how long is a scrape while {WAITING} jobs wait?",
        settings={"waiting": WAITING, "admitted": ADMITTED, "database": "postgresql", "scrapes": rounds},
        rows=[
            {
                "median_ms": round(median, 1),
                "worst_ms": round(worst, 1),
                "cpu_ms": busy,
                "bytes": size,
                "series": series,
            }
        ],
        bounds=["two grouped reads of the open jobs, one of the events that no tally counts yet"],
        targets=[
            Target("median scrape, ms", round(median, 1), WANTED_MS, at_most=True),
            # On a machine with other work the time of the processor is what tells.
            Target("processor time of a scrape, client and server, ms", busy, WANTED_MS, at_most=True),
        ],
    )


def fill(sessions) -> None:
    """Make twenty lines with waiting jobs, and admitted jobs with grants."""
    from sqlalchemy import update

    from airflow_priority_spark.scheduling.jobs import JobState
    from airflow_priority_spark.store import jobs
    from airflow_priority_spark.store.models import Event
    from tests.store.rows import make_job, make_queue

    now = datetime.datetime.now(datetime.UTC)
    with sessions() as session:
        queues = [make_queue(session, f"team-{number}") for number in range(10)]
        for number in range(WAITING):
            pool = ("high", "normal")[number % 2]
            make_job(
                session, queues[number // 2 % 10], pool=pool, enqueued_at=now, dag_id=f"dag-{number % 200}"
            )
        session.flush()
        # All but those of the last ten seconds are in the tallies.
        session.execute(update(Event).where(Event.id > 2000).values(to_tally=False))
        for number in range(ADMITTED):
            job = make_job(session, queues[number % 10], enqueued_at=now, dag_id=f"dag-{number % 200}")
            jobs.move(session, job, JobState.ADMITTED, "admitted", "arbiter", now)
            jobs.give_grant(session, job, unchecked=False, now=now, valid_until=now)
        session.commit()
