# SPDX-License-Identifier: Apache-2.0
"""Lists of jobs and one job, on both databases."""

from __future__ import annotations

import csv
import datetime
import io
import random
import uuid

import pytest
from sqlalchemy import delete, event
from uuid6 import uuid7

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import give_grant, move
from airflow_priority_spark.store.models import Event, Job
from airflow_priority_spark.store.sorting import ORDERS, SORTS
from tests.api.conftest import LATER
from tests.builders import NOW

MEMORY = {
    "resource": "memory",
    "needed": 96 * 2**30,
    "free": 40 * 2**30,
    "holder": "quota team-a",
    "detail": "",
    "sentence": "memory: needs 96 GiB, 40 GiB free of quota team-a",
}


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def end(site, job_id: str, state: JobState, reason: str = "done", at=LATER) -> None:
    with site.database.session() as session, session.begin():
        job = session.get_one(Job, job_id)
        if state is JobState.SUCCEEDED:
            move(session, job, JobState.ADMITTED, "fits", "arbiter", at)
        move(session, job, state, reason, "arbiter", at)


def test_a_waiting_job_is_listed_with_its_place_and_what_may_be_done(site):
    first, second = site.job(task_id="first", verdict=MEMORY, blocking_resource="memory"), site.job()

    answer = site.get("/jobs")

    assert ids(answer) == [first, second]
    jobs = answer.json()["jobs"]
    assert [(job["position"], job["ahead"]) for job in jobs] == [(1, 0), (2, 1)]
    assert jobs[0]["actions"] == ["hold", "cancel", "legacy", "pool", "demand", "position"]
    assert (jobs[0]["verdict"], jobs[0]["sentence"]) == (MEMORY, MEMORY["sentence"])
    assert jobs[0]["demand"] == {"cpu": 3000, "memory": 3 * 2**30, "pods": 3}
    assert (jobs[0]["queued_at"], jobs[0]["wait_seconds"]) == ("2026-01-01T12:00:00Z", 600.0)
    assert answer.json()["total"] == 2


@pytest.mark.parametrize(
    ("columns", "filters"),
    [
        ({"pool": "high"}, {"pool": "high"}),
        ({"dag_id": "other"}, {"dag_id": "other"}),
        ({"run_id": "run-2"}, {"run_id": "run-2"}),
        ({"user": "bob"}, {"user": "bob"}),
        ({"team": "blue"}, {"team": "blue"}),
        ({"blocking_resource": "memory", "verdict": MEMORY}, {"blocking_resource": "memory"}),
        ({"namespace": "team-b"}, {"namespace": "team-b"}),
        ({"state": JobState.HELD}, {"state": "held"}),
        ({"enqueued_at": NOW + datetime.timedelta(hours=1)}, {"queued_after": "2026-01-01T12:30:00Z"}),
        ({"enqueued_at": NOW - datetime.timedelta(hours=1)}, {"queued_before": "2026-01-01T12:00:00Z"}),
        ({"task_id": "Train_100%"}, {"search": "train_100%"}),
        ({"application_name": "sales-abc"}, {"search": "SALES-A"}),
    ],
)
def test_a_filter_finds_what_it_names_and_nothing_else(site, columns, filters):
    site.job(task_id="trainX100Y")
    wanted = site.job(**columns)
    with site.client() as client:
        assert ids(client.get("/priority-spark/api/v1/jobs", params=filters)) == [wanted]


def test_ended_jobs_are_found_by_their_reason(site):
    late, lost = site.job(), site.job()
    end(site, late, JobState.CANCELLED, "blocked at the head for 3600 s by memory")
    end(site, lost, JobState.FAILED, "the driver failed")
    site.job(reason="memory")
    assert ids(site.get("/jobs", end_reason="MEMORY")) == [late]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_pages_of_every_order_show_each_job_once(site, sort):
    check_pages(site, sort)


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_pages_of_every_order_show_each_job_once_on_postgresql(site):
    check_pages(site, *SORTS)


def check_pages(site, *sorts: str) -> None:
    chance = random.Random(7)
    with site.database.session() as session, session.begin():
        from tests.builders import make_dag
        from tests.store.rows import make_job, make_queue

        make_dag(session)
        queues = [make_queue(session, name) for name in ("team-a", "team-b")]
        jobs = []
        for _ in range(23):
            at = NOW + datetime.timedelta(seconds=chance.randrange(4))
            columns = {
                "user": chance.choice([None, "alice", "bob"]),
                "pool": chance.choice(["high", "normal"]),
            }
            job = make_job(session, chance.choice(queues), enqueued_at=at, **columns)
            for name in ("admitted_at", "started_at", "ended_at"):
                setattr(job, name, chance.choice([None, at, LATER]))
            job.blocking_resource = chance.choice([None, "cpu", "memory"])
            jobs.append(job)
        names = {queue.id: queue.namespace for queue in queues}

    for sort in sorts:
        seen, after = [], {}
        while True:
            page = site.get("/jobs", sort=sort, limit=4, **after).json()
            seen += page["jobs"]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert sorted(job["id"] for job in seen) == sorted(job.id for job in jobs)
        key = order_key(sort, {job.id: job for job in jobs}, names)
        keys = [key(job["id"]) for job in seen]
        assert keys == sorted(keys, reverse=sort.startswith("-")), sort


def order_key(sort, jobs, names):
    """Say the order again, in Python: a value that is missing is the greatest."""

    def value(job, column):
        found = {"namespace": names[job.queue_id], "name": "spark-prod"}.get(column.key)
        found = found if found is not None else getattr(job, column.key)
        return (found is None, found if found is not None else 0)

    columns = ORDERS[sort.removeprefix("-")]
    return lambda job_id: (*(value(jobs[job_id], column) for column in columns), job_id)


def test_a_job_that_comes_between_two_pages_moves_nothing(site):
    first, second, third = (site.job() for _ in range(3))
    page = site.get("/jobs", limit=2)
    site.job(enqueued_at=NOW - datetime.timedelta(hours=1))
    assert ids(page) == [first, second]
    assert ids(site.get("/jobs", limit=2, after=page.json()["next"])) == [third]


def test_a_cursor_of_another_order_is_refused(site):
    site.job(), site.job()
    following = site.get("/jobs", limit=1).json()["next"]
    answer = site.get("/jobs", limit=1, after=following, sort="-ended_at")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


def test_a_mapped_task_is_one_row(site):
    mapped = [site.job(task_id="each", map_index=index) for index in range(5)]
    end(site, mapped[0], JobState.SUCCEEDED)
    alone = site.job(task_id="alone")

    page = site.get("/jobs", group="mapped")

    assert ids(page) == [mapped[0], alone]
    counted = page.json()["jobs"][0]["mapped"]
    assert counted == {"count": 5, "states": {"queued": 4, "succeeded": 1}}
    assert page.json()["jobs"][1]["mapped"] is None
    assert ids(
        site.get(
            "/jobs", group="mapped", limit=1, after=site.get("/jobs", group="mapped", limit=1).json()["next"]
        )
    ) == [alone]


def test_the_statements_of_a_page_do_not_grow_with_the_queue(site):
    def statements() -> int:
        seen = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731 - to be removed again
        event.listen(site.database.engine, "before_cursor_execute", listener)
        try:
            assert site.get("/jobs", limit=5).status_code == 200
        finally:
            event.remove(site.database.engine, "before_cursor_execute", listener)
        return len(seen)

    site.job()
    statements()
    few = statements()
    for _ in range(20):
        site.job()
    assert statements() == few <= 8


def test_one_job_tells_its_demand_history_grant_and_who_is_ahead(site):
    first, second = site.job(task_id="first"), site.job(task_id="second")
    with site.database.session() as session, session.begin():
        job = session.get_one(Job, first)
        job.admission = 1
        move(session, job, JobState.ADMITTED, "fits in quota team-a", "arbiter", LATER)
        give_grant(session, job, unchecked=False, now=LATER, valid_until=LATER)
    third = site.job(task_id="third")

    admitted, waiting = site.get(f"/jobs/{first}").json(), site.get(f"/jobs/{third}").json()

    assert [(line["from_state"], line["to_state"], line["reason"]) for line in admitted["events"]] == [
        (None, "queued", "enqueued"),
        ("queued", "admitted", "fits in quota team-a"),
    ]
    assert (admitted["grant"]["admission"], admitted["grant"]["unchecked"]) == (1, False)
    assert (admitted["actions"], admitted["position"]) == ([], None)
    assert admitted["demand_detail"]["executor"]["count"] == 2
    assert "2 executors of 1 CPU" in admitted["demand_detail"]["explain"]
    assert [job["id"] for job in waiting["ahead_jobs"]] == [second]
    assert waiting["grant"] is None


def test_events_are_followed_from_the_last_one_seen(site):
    job_id = site.job()
    first = site.get(f"/jobs/{job_id}/events").json()
    end(site, job_id, JobState.CANCELLED, "no longer needed")
    second = site.get(f"/jobs/{job_id}/events", after=first["next"]).json()
    assert [line["to_state"] for line in second["events"]] == ["cancelled"]
    third = site.get(f"/jobs/{job_id}/events", after=second["next"]).json()
    assert (third["events"], third["next"]) == ([], second["next"])


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (None, 202),
        (JobState.ADMITTED, 202),
        (JobState.SUCCEEDED, 200),
        (JobState.FAILED, 204),
        (JobState.CANCELLED, 204),
    ],
)
def test_the_status_alone_tells_what_became_of_a_job(site, state, status):
    job_id = site.job()
    if state is not None:
        end(site, job_id, state)
    assert head(site, job_id) == (status, "")


def test_a_job_that_was_cleaned_up_is_told_from_one_that_never_was(site):
    long_ago = LATER - datetime.timedelta(days=31)
    number = (int(long_ago.timestamp() * 1000) << 80) | (uuid7().int & (2**80 - 1))
    assert head(site, str(uuid.UUID(int=number))) == (410, "")
    assert head(site, str(uuid.uuid4())) == (404, "")
    job_id = site.job()
    with site.database.session() as session, session.begin():
        session.execute(delete(Event))
        session.execute(delete(Job))
    assert head(site, job_id)[0] == 404


def head(site, job_id: str) -> tuple[int, str]:
    with site.client() as client:
        answer = client.head(f"/priority-spark/api/v1/jobs/{job_id}")
    return answer.status_code, answer.text


def test_an_export_has_every_job_that_the_filters_select(site):
    wanted = [site.job(user="alice", reason='says "why", at length') for _ in range(3)]
    site.job(user="bob")
    with site.client() as client:
        answer = client.get("/priority-spark/api/v1/jobs.csv", params={"user": "alice"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == wanted
    assert (rows[0]["reason"], rows[0]["cpu_millicores"]) == ('says "why", at length', "3000")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def test_the_jobs_of_a_task_come_newest_first(site):
    old = site.job(task_id="spark", try_number=1)
    end(site, old, JobState.FAILED)
    new = site.job(task_id="spark", try_number=2, enqueued_at=NOW + datetime.timedelta(seconds=5))
    site.job(task_id="spark", map_index=1)
    assert ids(site.get("/task-instances/etl/run-1/spark/-1")) == [new, old]
    assert ids(site.get("/task-instances/etl/run-1/none/-1")) == []


def test_who_is_over_a_limit_is_shown_so_wherever_a_job_is_shown(site, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__JOB_LIMIT_PER_USER", "1")
    running, over = (site.job(task_id=name, user="alice") for name in ("runs", "over"))
    head = site.job(task_id="head", user="bob")
    with site.database.session() as session, session.begin():
        job = session.get_one(Job, running)
        job.admission = 1
        move(session, job, JobState.ADMITTED, "fits", "arbiter", LATER)
        give_grant(session, job, unchecked=False, now=LATER, valid_until=LATER)

    with site.client() as client:
        table = client.get("/priority-spark/api/v1/jobs.csv").text
    listed = {job["id"]: job for job in site.get("/jobs").json()["jobs"]}
    (queue,) = site.get("/queues").json()["queues"]
    (of_task,) = site.get("/task-instances/etl/run-1/over/-1").json()["jobs"]
    exported = {row["id"]: row for row in csv.DictReader(io.StringIO(table))}

    limit = "limit: user alice has 1 of 1 jobs admitted"
    for shown in (listed[over], of_task, site.get(f"/jobs/{over}").json(), exported[over]):
        assert shown["sentence"] == limit
    assert listed[head]["sentence"] == "behind 1 of its priority pool"
    assert {pool["name"]: pool["head"] and pool["head"]["job_id"] for pool in queue["pools"]} == {
        "high": None,
        "normal": head,
    }
