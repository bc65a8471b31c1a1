# SPDX-License-Identifier: Apache-2.0
"""How long a page of waiting jobs takes, and how large it is, as the queue grows (PostgreSQL).

The API runs as Airflow mounts it, behind the simple auth manager, without the network in between. ``cpu`` is
that of the API's process: what is left of a median is the database, and whatever else the machine does.
"""

from __future__ import annotations

import datetime
import os
import statistics
import time

from benchmarks import store_site
from benchmarks.figures import Figures, Target, percentile

FEW, MANY, ROUNDS = 100, 10_000, 40
PAGES = {
    "jobs": "/jobs?state=queued",
    "jobs, last pages": "/jobs?state=queued&sort=-position",
    "jobs, searched": "/jobs?state=queued&search=wait&sort=dag_id",
    "jobs, mapped tasks folded": "/jobs?state=queued&group=mapped",
    "queues": "/queues",
}
#: At the median, of a page of ``/jobs``.
WANTED_MS = 100.0
#: Places in line have more digits in a longer queue; nothing else may grow.
WANTED_GROWTH = 1.1


def run(*, full: bool) -> Figures:
    """Measure with few and with many jobs, five times as often with ``full``."""
    rounds = ROUNDS * 5 if full else ROUNDS
    rows = []
    with store_site.site(durable=False) as database:
        from tests.api.conftest import SIMPLE

        os.environ.update(SIMPLE)
        for jobs in (FEW, MANY):
            store_site.empty(database)
            seed(database, jobs)
            rows += pages(jobs, rounds)
    few, many = (next(row for row in rows if row["waiting"] == jobs) for jobs in (FEW, MANY))
    growth = round(many["bytes"] / few["bytes"], 3)
    return Figures(
        "api",
        "how long does a page of the REST API take while many jobs wait?",
        settings={"waiting": [FEW, MANY], "database": "postgresql", "answers": rounds, "rows_of_a_page": 50},
        rows=rows,
        bounds=[
            f"{many['cpu_ms']:.0f} ms of a page of {MANY} jobs are Python's: rights, rows, JSON",
            "the rest is the database: it puts those that wait in order, and numbers the lines of the page",
        ],
        targets=[
            Target(f"a page of {MANY} waiting jobs, median ms", many["median_ms"], WANTED_MS, at_most=True),
            Target(f"its size, against that of {FEW}", growth, WANTED_GROWTH, at_most=True),
        ],
    )


def pages(jobs: int, rounds: int) -> list[dict]:
    """Return what every page costs while so many jobs wait."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    from tests.api.conftest import make_host

    host = make_host(datetime.datetime.now(datetime.UTC))
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="ADMIN"))
    with TestClient(host, headers={"Authorization": f"Bearer {token}"}) as client:
        return [
            {"case": name, "waiting": jobs, **measure(client, path, rounds)} for name, path in PAGES.items()
        ]


def seed(database, wanted: int) -> None:
    """Let so many jobs wait, in two priority pools of two queues."""
    from sqlalchemy import text

    from tests.builders import make_dag
    from tests.store.rows import make_job, make_queue

    with database.session() as session, session.begin():
        make_dag(session)
        for namespace in ("team-a", "team-b"):
            for pool in ("high", "normal"):
                make_job(
                    session, make_queue(session, namespace), pool=pool, task_id=f"wait-{namespace}-{pool}"
                )
    columns = store_site._columns(
        "priority_spark_job",
        id="CAST(gen_random_uuid() AS varchar)",
        ti_id="gen_random_uuid()",
        map_index="number",
        position_id="position_id + 1000 * number",
    )
    with database.session() as session, session.begin():
        session.execute(
            text(
                f"INSERT INTO priority_spark_job ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
                "FROM priority_spark_job, generate_series(1, :last) AS number WHERE map_index < 0"
            ),
            {"last": wanted // 4 - 1},
        )
        session.execute(text("ANALYZE"))


def measure(client, path: str, rounds: int) -> dict[str, float]:
    """Return milliseconds and bytes of an answer; the first three answers warm up."""
    seconds, cpu, size = [], [], 0
    for _ in range(rounds + 3):
        began, worked = time.perf_counter(), time.process_time()
        answer = client.get(f"/priority-spark/api/v1{path}")
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - worked)
        assert answer.status_code == 200, answer.text
        size = len(answer.content)
    return {
        "median_ms": round(statistics.median(seconds[3:]) * 1000, 1),
        "p95_ms": round(percentile(seconds[3:], 95) * 1000, 1),
        "cpu_ms": round(statistics.median(cpu[3:]) * 1000, 1),
        "bytes": size,
    }
