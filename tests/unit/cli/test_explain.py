# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark job explain``: every state in sentences with numbers."""

import datetime
import itertools

import pytest
from sqlalchemy import update

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.spark.request import demand_to_json
from airflow_priority_spark.store.jobs import give_grant, move
from airflow_priority_spark.store.models import ArbiterState, Delivery, Pool
from airflow_priority_spark.store.sentences import span
from airflow_priority_spark.store.snapshots import save_snapshot
from tests.builders import NOW, make_demand
from tests.store.rows import CLUSTER, make_job

MEMORY = {
    "resource": "memory",
    "needed": 96 * 2**30,
    "free": 40 * 2**30,
    "holder": "quota team-a",
    "detail": "",
    "sentence": "memory: needs 96 GiB, 40 GiB free of quota team-a",
}
NOBODY_LEADS = (
    "No arbiter leads at the moment: nothing is admitted anywhere.",
    "Start an arbiter, or look why none leads: airflow priority-spark status",
)


@pytest.fixture
def clock(monkeypatch):
    """It is ten minutes past NOW."""
    now = NOW + datetime.timedelta(minutes=10)
    monkeypatch.setattr("airflow_priority_spark.cli.job_story.now", lambda: now)
    return now


@pytest.fixture
def wait(session, queue):
    numbers = itertools.count()

    def wait(task_id: str, **columns):
        at = NOW + datetime.timedelta(seconds=next(numbers))
        return make_job(session, queue, task_id=task_id, enqueued_at=at, **columns)

    return wait


@pytest.fixture
def leading(session, clock):
    """An arbiter leads."""
    session.execute(update(ArbiterState).values(lease_until=clock + datetime.timedelta(seconds=4)))
    session.commit()


@pytest.fixture
def said(session, airflow, clock):
    """What is said of a job: sentences, and what would help."""

    def said(job) -> tuple[list[str], list[str]]:
        session.commit()
        told = airflow.json("job", "explain", job.id)
        return told["says"], told["helps"]

    return said


def block(job, verdict=MEMORY):
    job.verdict, job.blocking_resource, job.blocked_since = verdict, verdict["resource"], NOW


def legacy(job) -> str:
    return f"Let it start without asking for room: airflow priority-spark job legacy {job.id}"


def test_a_blocked_head_says_what_it_lacks_who_has_it_and_how_much_must_become_free(
    session, queue, wait, leading, said, clock
):
    holders = []
    for name, executors in (("small", 1), ("large", 30)):
        holder = wait(name, demand=demand_to_json(make_demand(executors=executors)))
        move(session, holder, JobState.ADMITTED, "has room", "arbiter", NOW)
        give_grant(session, holder, unchecked=False, now=NOW, valid_until=clock)
        holders.append(holder)
    job = wait("train")
    wait("next")
    block(job)
    says, helps = said(job)
    assert says == [
        f"Job {job.id} of etl/run-1/train has waited 9 min 58 s in spark-prod/team-a/normal: number 1 of 2.",
        "It is blocked for 10 min 00 s by memory: needs 96 GiB, 40 GiB free of quota team-a.",
        "Of memory, its queue's jobs hold: etl/run-1/large (31 GiB), etl/run-1/small (2 GiB).",
    ]
    assert helps == [
        "56 GiB of memory must become free of quota team-a; or raise that limit, or ask for less",
        legacy(job),
    ]


@pytest.mark.parametrize(
    ("rules", "retries", "says"),
    [
        (
            {},
            0,
            "If that lasts, it is cancelled in 50 min 00 s: head_timeout_seconds is 3600.",
        ),
        (
            {"head_timeout_action": "hold", "head_timeout_seconds": 700},
            0,
            "If that lasts, it is held in 1 min 40 s: head_timeout_seconds is 700.",
        ),
        (
            {"head_retry_count": 3},
            1,
            "If that lasts, its clock begins again (2 retries left) in 50 min 00 s: "
            "head_timeout_seconds is 3600.",
        ),
        (
            {"head_clock_paused_at": NOW + datetime.timedelta(minutes=5)},
            0,
            "If that lasts, it is cancelled in 55 min 00 s: head_timeout_seconds is 3600 (the clock stands "
            "still at the moment).",
        ),
    ],
)
def test_a_blocked_head_says_when_its_time_is_up(session, queue, wait, leading, said, rules, retries, says):
    job = wait("train", head_retries=retries)
    block(job)
    session.execute(
        update(Pool)
        .where(Pool.name == "normal")
        .values(head_job_id=job.id, head_blocked_since=NOW, head_timeout_since=NOW, **rules)
    )
    found, _ = said(job)
    assert says in found
    assert (
        "It has been blocked longer than 300 s and is protected: nothing else of its queue that needs memory "
        "goes before it."
    ) in found


def test_a_head_that_never_times_out_says_nothing_of_it(session, queue, wait, leading, said):
    job = wait("train")
    block(job)
    session.execute(update(Pool).values(head_job_id=job.id, head_timeout_since=NOW, head_timeout_seconds=0))
    assert not [sentence for sentence in said(job)[0] if "If that lasts" in sentence]


def test_one_behind_says_who_is_ahead_and_what_holds_the_head_up(queue, wait, leading, said):
    ahead = [wait(f"task-{letter}") for letter in "abcd"]
    block(ahead[0])
    wait("urgent", pool="high")
    job = wait("mine")
    says, helps = said(job)
    names = ", ".join(f"etl/run-1/task-{letter} ({ahead['abcd'.index(letter)].id})" for letter in "abc")
    assert says[1:] == [
        f"Ahead of it in its pool: {names} and 1 more.",
        "1 job waits in pool high of weight 90; its own has 10.",
        f"Only the head of a pool is admitted; it is etl/run-1/task-a ({ahead[0].id}), "
        "blocked by memory: needs 96 GiB, 40 GiB free of quota team-a.",
    ]
    assert helps == [
        f"Put it before the others: airflow priority-spark job move {job.id} --first",
        f"Or give it a higher priority: airflow priority-spark job priority {job.id} --to high",
        legacy(job),
    ]


def test_one_that_is_passed_over_says_why(wait, leading, said):
    job = wait("mine", ineligible="limit", ineligible_detail="pool team-a/normal has 5 of 5 jobs")
    assert (
        "It is passed over (limit: pool team-a/normal has 5 of 5 jobs); others behind it may go."
        in said(job)[0]
    )


def test_a_head_that_nothing_blocks_waits_for_the_next_cycle(wait, leading, said):
    job = wait("mine")
    assert said(job)[0][-1] == (
        "It is the head of its pool and nothing blocks it: its turn comes with one of the next cycles."
    )


def test_a_lack_of_a_whole_node_says_what_kind_of_room_helps(wait, leading, said):
    job = wait("mine")
    block(job, {**MEMORY, "resource": "placement", "sentence": "placement: 0 of 2 executors fit a node"})
    says, helps = said(job)
    assert "It is blocked for 10 min 00 s by placement: 0 of 2 executors fit a node." in says
    assert helps[0] == (
        "Room on a node where a whole pod fits; smaller pods, or other node selectors, may fit sooner"
    )


@pytest.mark.parametrize(
    ("resource", "needed", "free", "helps"),
    [
        ("cpu", 2000, 500, "1.5 CPU must become free of quota team-a; or raise that limit, or ask for less"),
        ("pods", 3, 1, "2 pods must become free of quota team-a; or raise that limit, or ask for less"),
    ],
)
def test_what_must_become_free_has_its_unit(wait, leading, said, resource, needed, free, helps):
    job = wait("mine")
    block(job, {**MEMORY, "resource": resource, "needed": needed, "free": free})
    assert said(job)[1][0] == helps


def test_a_paused_queue_no_arbiter_and_a_stale_picture_are_said_first(session, queue, wait, said, clock):
    queue.paused = True
    data = {"fresh": False, "stale_reason": "pods: connection refused"}
    save_snapshot(session, CLUSTER, data, clock)
    job = wait("mine")
    says, helps = said(job)
    assert says[1:4] == [
        "Queue team-a is paused: nothing of it is admitted.",
        NOBODY_LEADS[0],
        "The picture of cluster spark-prod is stale (pods: connection refused): nothing is admitted there.",
    ]
    assert helps[:2] == ["Open the queue: airflow priority-spark queue resume team-a", NOBODY_LEADS[1]]


@pytest.mark.parametrize(
    ("why", "helps"),
    [
        (HeldReason.PERSON, ["Release it: airflow priority-spark job release {id}"]),
        (HeldReason.PAUSED, ["Unpause its DAG: airflow dags unpause etl"]),
        (
            HeldReason.DRAINING,
            [
                "Open the queue: airflow priority-spark queue resume team-a",
                "Or let only this one in: airflow priority-spark job release {id}",
            ],
        ),
        (
            HeldReason.TIMEOUT,
            [
                "Give it another try: airflow priority-spark job requeue {id}",
                "Or end it: airflow priority-spark job cancel {id}",
            ],
        ),
    ],
)
def test_a_held_job_says_who_lets_it_go(wait, leading, said, why, helps):
    job = wait("mine", state=JobState.HELD, held_reason=why.value, reason="because")
    says, found = said(job)
    assert says == [
        f"Job {job.id} of etl/run-1/mine is held in spark-prod/team-a/normal, 10 min 00 s after it came: "
        "because."
    ]
    assert found == [line.format(id=job.id) for line in helps]


def test_a_job_on_its_way_says_how_far_it_is(session, wait, leading, said, clock):
    job = wait("mine")
    minute = datetime.timedelta(minutes=1)
    move(session, job, JobState.ADMITTED, "admitted after 3 s (admission 1)", "arbiter", clock - minute)
    session.flush()
    session.add(Delivery(job_id=job.id, event={}, decided_at=NOW))
    assert said(job) == (
        [
            f"Job {job.id} of etl/run-1/mine is admitted since 1 min 00 s: admitted after 3 s (admission 1).",
            "Its task is resumed as soon as Airflow can take it, a few seconds after it has deferred.",
        ],
        [],
    )


def test_nobody_resumes_the_task_of_an_admitted_job_when_no_arbiter_leads(session, wait, said):
    job = wait("mine")
    move(session, job, JobState.ADMITTED, "admitted", "arbiter", NOW)
    session.flush()
    session.add(Delivery(job_id=job.id, event={}, decided_at=NOW))
    assert said(job)[1] == ["No arbiter leads, so nobody resumes its task: airflow priority-spark status"]


def test_a_running_job_names_its_application_and_what_it_uses_beyond_its_demand(
    session, wait, leading, said, clock
):
    job = wait("mine", application_name="etl-mine-1", application_state="RUNNING", exceeds_demand=True)
    move(session, job, JobState.ADMITTED, "admitted", "arbiter", NOW)
    move(session, job, JobState.RUNNING, "its driver runs", "arbiter", NOW)
    assert said(job)[0] == [
        f"Job {job.id} of etl/run-1/mine is running since 10 min 00 s: its driver runs.",
        "Its application is team-a/etl-mine-1 (RUNNING).",
        "Its pods use more than it had asked for, and are charged for what they use.",
    ]


def test_an_ended_job_says_how(session, wait, leading, said):
    job = wait("mine")
    move(session, job, JobState.CANCELLED, "cancelled by alice", "alice", NOW)
    assert said(job) == (
        [f"Job {job.id} of etl/run-1/mine has ended 10 min 00 s ago: cancelled, cancelled by alice."],
        [],
    )


def test_people_read_sentences(session, wait, leading, airflow, clock):
    job = wait("mine")
    session.commit()
    lines = airflow("job", "explain", job.id).splitlines()
    assert lines[-2:] == ["What would help:", f"- {legacy(job)}"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (65, "1 min 05 s"),
        (7500, "2 h 05 min"),
        (90000, "1 d 01 h"),
        (-3, "0 s"),
    ],
)
def test_durations_have_their_two_largest_units(seconds, text):
    assert span(datetime.timedelta(seconds=seconds)) == text
