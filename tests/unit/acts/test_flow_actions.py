# SPDX-License-Identifier: Apache-2.0
"""Jobs that are moved between legacy, observe and priority: by DAG, team, namespace and site."""

from __future__ import annotations

import pytest

from airflow_priority_spark.arbiter.actions import (
    Scope,
    hold_job,
    migrate_flow,
    overrides,
    set_flow,
    unset_flow,
)
from airflow_priority_spark.errors import InvalidInput, NotFound
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store.rules import Facts, read_rulebook
from tests.unit.acts.test_job_actions import SENTENCE, refused

SITE = Scope("site")


def migrate(office, scope, flow, **options):
    return migrate_flow(office.database.session, scope, flow, office.by, **options)


def set_flows(office) -> list[tuple[str, str, str]]:
    with office.database.session() as session:
        return [(row.scope, row.value, row.flow) for row in overrides(session)]


def flow_of(office, **facts) -> str:
    with office.database.session() as session:
        known = Facts(**{"dag_id": "etl", "namespace": "team-a", **facts})
        return read_rulebook(session).flow_of(known, "priority")


def test_the_most_specific_flow_decides(office):
    for scope, flow in (
        (SITE, "observe"),
        (Scope("namespace", "team-a"), "legacy"),
        (Scope("team", "red"), "priority"),
        (Scope("dag_id", "nightly"), "observe"),
    ):
        assert office.act(set_flow, scope, flow)
    assert flow_of(office, dag_id="nightly", team="red") == "observe"
    assert flow_of(office, team="red") == "priority"
    assert flow_of(office, team="blue") == "legacy"
    assert flow_of(office, namespace="team-b") == "observe"
    assert [scope for scope, _, _ in set_flows(office)] == ["dag_id", "team", "namespace", "site"]


def test_a_flow_that_is_set_again_replaces_the_one_before(office):
    office.act(set_flow, SITE, "observe")
    assert office.act(set_flow, SITE, "legacy")
    assert not office.act(set_flow, SITE, "legacy")
    assert set_flows(office) == [("site", "", "legacy")]
    assert [audit.details for audit in office.audits()] == [
        {"before": None, "after": "observe"},
        {"before": "observe", "after": "legacy"},
    ]


def test_a_flow_is_taken_back(office):
    office.act(set_flow, Scope("team", "red"), "legacy")
    office.act(unset_flow, Scope("team", "red"))
    assert set_flows(office) == []
    assert refused(office, unset_flow, Scope("team", "red"), error=NotFound) == (
        "no flow is set for team red; `airflow priority-spark flow list` shows those that are"
    )
    assert refused(office, unset_flow, SITE, error=NotFound).startswith("no flow is set for the site;")


def test_an_unknown_flow_names_those_there_are(office):
    assert refused(office, set_flow, SITE, "fast", error=InvalidInput) == (
        "flow: 'fast' is not valid; allowed: priority, observe, legacy"
    )


@pytest.mark.parametrize(
    ("scope", "moved"),
    [
        (SITE, ["nightly", "red", "elsewhere", "plain"]),
        (Scope("dag_id", "nightly"), ["nightly"]),
        (Scope("team", "red"), ["red"]),
        (Scope("namespace", "team-b"), ["elsewhere"]),
    ],
)
def test_whoever_waits_in_the_scope_goes_to_legacy_at_once(office, scope, moved):
    jobs = {
        "nightly": office.job("nightly", dag_id="nightly"),
        "red": office.job("red", team="red"),
        "elsewhere": office.job("elsewhere", queue_id=office.queue("team-b")),
        "plain": office.job("plain"),
    }
    result = migrate(office, scope, "legacy")
    assert result.moved == tuple(jobs[name] for name in moved)
    assert result.override
    for name in jobs:
        told = office.told(name)
        assert (told and told.outcome) == ("legacy" if name in moved else None)
    assert {job_id for job_id, grant in office.grants().items() if grant.unchecked} == set(result.moved)


def test_more_jobs_than_a_batch_are_all_moved(office, monkeypatch):
    monkeypatch.setattr("airflow_priority_spark.arbiter.flow_actions.BATCH", 2)
    jobs = [office.job(f"task-{number}") for number in range(5)]
    assert migrate(office, SITE, "legacy").moved == tuple(jobs)
    assert {office.get(job_id).state for job_id in jobs} == {"admitted"}


def test_to_observe_the_arbiter_admits_them_all_with_its_next_cycles(office):
    queued, drained = office.job("queued"), office.job("drained", held=HeldReason.DRAINING)
    migrate(office, SITE, "observe")
    assert [(office.get(job_id).flow, office.get(job_id).state) for job_id in (queued, drained)] == [
        ("observe", "queued"),
        ("observe", "queued"),
    ]
    assert office.events(queued)[-1][1] == f"moved from flow priority to observe {SENTENCE}"
    assert office.told("queued") is None


def test_back_to_priority_they_wait_for_room_again(office):
    job_id = office.job("a", flow="observe")
    running = office.job("b", flow="observe", state=JobState.RUNNING)
    assert migrate(office, SITE, "priority").moved == (job_id,)
    assert (office.get(job_id).flow, office.get(job_id).state) == ("priority", "queued")
    assert office.get(running).flow == "observe"


def test_who_is_held_on_purpose_stays_and_is_named(office):
    held = office.job("held")
    office.act(hold_job, held)
    paused = office.job("paused", held=HeldReason.PAUSED)
    timed_out = office.job("late", held=HeldReason.TIMEOUT)
    drained = office.job("drained", held=HeldReason.DRAINING)
    for dry_run in (True, False):
        result = migrate(office, SITE, "legacy", dry_run=dry_run)
        assert result.moved == (drained,)
        assert [job_id for job_id, _ in result.stayed] == [held, paused, timed_out]
        assert result.stayed[0][1] == f"job {held} stays held: held {SENTENCE}"


def test_a_dry_run_says_the_same_and_changes_nothing(office):
    job_id = office.job("a")
    planned = migrate(office, SITE, "legacy", dry_run=True)
    assert (planned.moved, planned.override, planned.stayed) == ((job_id,), True, ())
    assert (office.get(job_id).state, set_flows(office), office.audits()) == ("queued", [], [])
    assert migrate(office, SITE, "legacy") == planned


def test_migrating_again_finds_nothing_to_do(office):
    office.job("a")
    migrate(office, SITE, "observe")
    again = migrate(office, SITE, "observe")
    assert (again.moved, again.override) == ((), False)


def test_every_job_that_is_moved_is_audited(office):
    job_id = office.job("a")
    migrate(office, SITE, "legacy")
    assert [(audit.target_type, audit.target, audit.action) for audit in office.audits()] == [
        ("flow", "the site", "set"),
        ("job", job_id, "send-to-legacy"),
    ]
