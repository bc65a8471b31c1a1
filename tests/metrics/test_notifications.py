# SPDX-License-Identifier: Apache-2.0
"""Airflow notifiers are told of blocked, late, cancelled, starved and requeued jobs, once."""

import json

import pytest
from airflow.sdk.bases.notifier import BaseNotifier
from sqlalchemy import select

from airflow_priority_spark.arbiter.notifying import Announcer, read_notifiers
from airflow_priority_spark.errors import InvalidInput, InvalidRequest
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import PodView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.notices import NOTICES, attached
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.causes import Cause, Notice
from airflow_priority_spark.store.models import Job
from tests import builders
from tests.unit.arbiter.world import World

SENT = []


class Recorder(BaseNotifier):
    """What a site would write: a template, and a word of its own."""

    template_fields = ("text",)

    def __init__(self, text: str, room: str = "") -> None:
        super().__init__()
        self.text, self.room = text, room

    def notify(self, context) -> None:
        SENT.append((self.room, self.text))


class Broken(BaseNotifier):
    def notify(self, context) -> None:
        raise RuntimeError("secret-token is wrong")

    def __call__(self, *args) -> None:
        self.notify(args[0])


HERE = f"{__name__}.Recorder"
CHAT = {
    "chat": {
        "class": HERE,
        "arguments": {"text": "{{ sentence }} {{ link }}", "room": "all"},
        "on": [*NOTICES],
    },
    "mine": {"class": HERE, "arguments": {"text": "{{ notice }} {{ job_id }}", "room": "mine"}},
    "broken": {"class": f"{__name__}.Broken"},
}


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def world(database, monkeypatch):
    SENT.clear()
    import sys

    # Pytest imports test files by path; a notifier is found by its module's name.
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__(__name__))
    made = World(database, notifiers=json.dumps(CHAT), notify_blocked_seconds=30)
    made.loop.announcer = Announcer(made.loop.context, made.loop.leadership, submit=lambda call: call())
    return made


def the_job(world, session) -> Job:
    return session.scalars(select(Job).where(Job.state == "running")).one()


def test_a_head_that_is_blocked_for_long_is_told_once_with_sentence_and_link(world):
    for number in range(4):
        world.defer(f"job-{number}")
    for _ in range(12):
        world.cycle(seconds=10)
    told = [text for room, text in SENT if room == "all" and ": blocked: " in text]
    assert len(told) == 1
    assert "(team-a/normal): blocked: blocked at the head of its pool for" in told[0]
    assert "cpu" in told[0]
    assert "/dags/etl/runs/" in told[0]
    assert "/tasks/job-" in told[0]


def test_a_cancelled_job_tells_whom_its_author_named_as_well(world, caplog):
    request = builders.make_request(notify=attached({"cancelled": ["mine", "nobody"]}))
    for number in range(4):
        world.defer(f"job-{number}", request=request)
    world.cycle(2)
    with world.database.session() as session, session.begin():
        job = session.scalars(
            select(Job).where(Job.state == "queued").order_by(Job.position_at.desc())
        ).first()
        jobs.move(session, job, JobState.CANCELLED, "cancelled by alice", "alice", world.now)
        job_id = job.id
    world.cycle(3)
    assert SENT.count(("mine", f"cancelled {job_id}")) == 1
    [told] = [text for room, text in SENT if room == "all"]
    assert "cancelled by alice" in told
    assert f"Job {job_id} asks for notifier nobody, which [priority_spark] notifiers has not" in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "cause", "told"),
    [
        ("queued", "cancelled", Cause.PERSON, Notice.CANCELLED),
        ("running", "cancelled", None, Notice.CANCELLED),
        ("admitted", "queued", Cause.STALE_QUOTA, Notice.REQUEUED),
        ("running", "queued", Cause.STARVED, Notice.STARVED),
        ("running", "running", Cause.STARVED, Notice.STARVED),
        ("queued", "queued", Cause.LATE, Notice.LATE),
        ("queued", "queued", Cause.BLOCKED, Notice.BLOCKED),
        ("held", "queued", None, None),
        ("queued", "admitted", None, None),
        ("queued", "queued", Cause.HEAD_TIMEOUT, None),
        (None, "queued", Cause.RETRY, None),
    ],
)
def test_which_event_is_told_as_what(before, after, cause, told):
    from airflow_priority_spark.store.causes import notice_of

    assert notice_of(before, after, cause) == told


def test_executors_without_a_node_for_too_long_are_told_as_starved(world):
    world.cluster.quotas = {"team-a": {"requests.cpu": "60"}}
    world.defer("first")
    world.cycle(3)
    with world.database.session() as session, session.begin():
        [job] = session.scalars(select(Job))
        job_id = job.id
        if job.state == "admitted":
            jobs.move(session, job, JobState.RUNNING, "runs", "arbiter", world.now)
    pod = PodView("team-a", "exec-1", None, Resources.parse({"cpu": "1"}), job_id=job_id, pod_set="executor")
    world.cluster.pods = [pod]
    views = world.loop._views(world.now)
    announcer = world.loop.announcer
    import datetime

    for seconds in (0, 300, 601, 700):
        announcer.announce(views, world.now + datetime.timedelta(seconds=seconds))
    starved = [text for room, text in SENT if room == "all" and ": starved: " in text]
    assert len(starved) == 1
    assert "1 of its executors have found no node for 600 s" in starved[0]


def test_a_notifier_that_fails_is_named_without_what_it_says(caplog):
    from airflow_priority_spark.arbiter.notifying import Configured, _call
    from airflow_priority_spark.store.notices import Notification

    notice = Notification("late", "r", builders.NOW, "job-1", "d", "r", "t", -1, "n", "p", "", ())
    _call("broken", Configured("no.such.module.Thing", {}, frozenset()), notice)
    assert "Notifier broken failed for job job-1: ModuleNotFoundError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[1]", ("notifiers", "list", "name to notifier")),
        ("{", ("notifiers", "character", "JSON object")),
        ('{"a": {}}', ("notifiers: a", "class")),
        ('{"a": {"class": "x.Y", "kwargs": 1}}', ("'kwargs'", "class, arguments, on")),
        ('{"a": {"class": "x.Y", "on": ["soon"]}}', ("notifiers: a.on", "'soon'", "late")),
        ('{"a": {"class": "x.Y", "arguments": "t0ken"}}', ("notifiers: a.arguments", "an object")),
    ],
)
def test_a_wrong_configuration_names_the_part_but_no_argument(text, parts):
    with pytest.raises(InvalidInput) as refusal:
        read_notifiers(Settings(notifiers=text))
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)
    assert "t0ken" not in str(refusal.value)


@pytest.mark.parametrize("value", [7, [], {"late": []}, {"soon": ["chat"]}, [""], {"late": [3]}])
def test_a_task_that_names_notifiers_wrongly_fails_by_the_name_of_the_field(value):
    with pytest.raises(InvalidRequest) as refusal:
        attached(value)
    assert "notify" in str(refusal.value)


def test_a_name_or_a_list_means_every_notice_and_both_rooms_know_the_same_ones():
    assert dict(attached("chat")) == dict.fromkeys(NOTICES, ("chat",))
    assert dict(attached({"late": ["chat", "mail"]})) == {"late": ("chat", "mail")}
    assert tuple(Notice) == NOTICES
