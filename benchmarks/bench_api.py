# SPDX-License-Identifier: Apache-2.0
"""How long a page of waiting jobs takes, and how large it is, as the queue grows (PostgreSQL).

``python benchmarks/bench_api.py [--jobs 10000] [--rounds 100]`` writes ``benchmarks/results/api.json``.
The API runs as Airflow mounts it, behind the simple auth manager, without the network in between.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import store_site

RESULT = Path(__file__).parent / "results" / "api.json"
PAGES = {
    "jobs": "/jobs?state=queued",
    "jobs, last pages": "/jobs?state=queued&sort=-position",
    "jobs, searched": "/jobs?state=queued&search=wait&sort=dag_id",
    "jobs, mapped tasks folded": "/jobs?state=queued&group=mapped",
    "queues": "/queues",
}
#: At the median, of a page of ``/jobs``.
TARGET_MILLISECONDS = 100.0


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
    """Return milliseconds and bytes of an answer."""
    times, size = [], 0
    for _ in range(rounds + 3):
        begun = time.perf_counter()
        answer = client.get(f"/priority-spark/api/v1{path}")
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
        size = len(answer.content)
    times = sorted(times[3:])
    return {
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95) - 1], 1),
        "bytes": size,
    }


def main() -> int:
    """Measure with few and with many jobs; fail when a page of many is slower than it may be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    found = {}
    with store_site.site(durable=False) as database:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from starlette.testclient import TestClient

        from tests.api.conftest import SIMPLE, make_host

        os.environ.update(SIMPLE)
        for jobs in (100, args.jobs):
            store_site.empty(database)
            seed(database, jobs)
            host = make_host(datetime.datetime.now(datetime.UTC))
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="ADMIN"))
            with TestClient(host, headers={"Authorization": f"Bearer {token}"}) as client:
                found[str(jobs)] = {name: measure(client, path, args.rounds) for name, path in PAGES.items()}
    RESULT.write_text(
        json.dumps({"waiting_jobs": found, "target_median_ms": TARGET_MILLISECONDS}, indent=2) + "\n"
    )
    print(json.dumps(found, indent=2))
    return int(found[str(args.jobs)]["jobs"]["median_ms"] > TARGET_MILLISECONDS)


if __name__ == "__main__":
    sys.exit(main())
