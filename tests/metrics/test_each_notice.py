# SPDX-License-Identifier: Apache-2.0
"""Each notice as it reaches a chat: sentence and link, told to whom the site and the task name.

What the task names comes from the operator itself: its argument, through its deferral, into the job.
"""

from __future__ import annotations

import json
import re

import pytest
from airflow.sdk.bases.notifier import BaseNotifier

from airflow_priority_spark.arbiter.notifying import Announcer
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.spark.notices import NOTICES
from airflow_priority_spark.spark.request import AdmissionRequest
from tests import builders
from tests.unit.arbiter.world import World
from tests.unit.operators.tasks import deferral, task
from tests.unit.spark_cluster import cluster, connection, kubernetes, namespace, ref, task_context

__all__ = ["cluster", "connection", "kubernetes", "namespace", "ref"]

SENT: list[tuple[str, str]] = []


class Chat(BaseNotifier):
    """What a site would write: a template and where it goes."""

    template_fields = ("text",)

    def __init__(self, text: str, room: str) -> None:
        super().__init__()
        self.text, self.room = text, room

    def notify(self, context) -> None:
        SENT.append((self.room, self.text))


def chat(room: str, **more) -> dict:
    arguments = {"text": "{{ sentence }} {{ link }}", "room": room}
    return {"class": f"{__name__}.Chat", "arguments": arguments, **more}


NOTIFIERS = {"site": chat("site", on=[*NOTICES]), "mine": chat("mine")}


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def world(database, monkeypatch):
    SENT.clear()
    import sys

    # Pytest imports test files by path; a notifier is found by its module's name.
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__(__name__))
    options = {"notify_blocked_seconds": 30, "head_timeout_seconds": 100, "settle_seconds": 0.0}
    made = World(database, notifiers=json.dumps(NOTIFIERS), **options)
    made.loop.announcer = Announcer(made.loop.context, made.loop.leadership, submit=lambda call: call())
    return made


def blocked(world, attached) -> None:
    """One job has the room, one waits for it, for 35 s."""
    _fill(world, attached)
    for _ in range(4):
        world.cycle(seconds=10)


def late(world, attached) -> None:
    blocked(world, attached)
    world.cycle(2, seconds=10)


def cancelled(world, attached) -> None:
    late(world, attached)
    for _ in range(6):
        world.cycle(seconds=10)


def requeued(world, attached) -> None:
    _return(world, attached, "stale quota: exceeded quota: quota, requested: requests.cpu=1")


def starved(world, attached) -> None:
    _return(world, attached, "starved: 1 of its executors has found no node for 600 s")


def _fill(world, attached) -> None:
    world.cluster.quotas = {"team-a": {"requests.cpu": "3"}}
    world.defer("first")
    world.cycle()
    world.start("first")
    world.defer("job", request=builders.make_request(notify=attached))


def _return(world, attached, reason: str) -> None:
    """An admitted job's worker gives its admission back."""
    world.defer("job", request=builders.make_request(notify=attached))
    world.cycle(2)
    job = world.job("job")
    assert job.state == JobState.ADMITTED
    again = builders.make_request(notify=attached, reason=reason, admission=job.admission)
    world.defer_again("job", again)
    world.cycle(2)


SAYS = {
    "blocked": (blocked, r"blocked at the head of its pool for \d+ s by .*cpu"),
    "late": (late, r"blocked at the head of team-a/normal for \d+ s by cpu: .*50 % of its head timeout"),
    "cancelled": (cancelled, r"blocked at the head of team-a/normal for \d+ s by cpu: "),
    "requeued": (requeued, r"stale quota: exceeded quota"),
    "starved": (starved, r"starved: 1 of its executors has found no node for 600 s"),
}


@pytest.mark.parametrize("notice", NOTICES)
def test_a_notice_reaches_whom_the_site_and_the_task_name_with_its_sentence_and_its_link(
    world, ref, namespace, notice
):
    operator = task(ref, namespace, notify={notice: "mine"})
    request = AdmissionRequest.from_json(deferral(operator.execute, task_context()).trigger.request)
    assert dict(request.notify) == {notice: ("mine",)}
    happen, said = SAYS[notice]
    happen(world, request.notify)
    job = world.job("job")
    told = [(room, text) for room, text in SENT if f"etl.job (team-a/normal): {notice}: " in text]
    assert {room for room, _ in told} == {"site", "mine"}, SENT
    mine = [text for room, text in SENT if room == "mine"]
    assert len(mine) == len([room for room, _ in told if room == "mine"])
    sentence = f"Spark job etl.job (team-a/normal): {notice}: "
    link = f"http://localhost:8080/dags/etl/runs/{job.run_id}/tasks/job"
    for text in mine:
        assert text.startswith(sentence), text
        assert text.endswith(f" {link}"), text
    assert re.search(said, mine[0]), mine[0]


def test_a_task_that_names_one_notifier_is_told_of_everything_and_a_wrong_notice_fails_it(ref, namespace):
    everything = deferral(task(ref, namespace, notify="mine").execute, task_context()).trigger.request
    assert dict(AdmissionRequest.from_json(everything).notify) == dict.fromkeys(NOTICES, ("mine",))
    with pytest.raises(Exception, match=r"notify.*'soon'.*blocked, late, cancelled, starved, requeued"):
        task(ref, namespace, notify={"soon": "mine"}).execute(task_context())
