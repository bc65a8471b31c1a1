# SPDX-License-Identifier: Apache-2.0
"""Moving many jobs between the deployment flows."""

from __future__ import annotations

import pytest

from airflow_priority_spark.scheduling.jobs import HeldReason
from tests.api.acts import REASON, audits, logs, picture, post, row, told, waiting_task


def migrate(site, to: str, *, scope="namespace", value="team-a", user="admin", **more):
    body = {"scope": scope, "value": value, "to": to, "reason": REASON, **more}
    return post(site, "/flows/migrate", body, user=user)


def test_waiting_jobs_of_a_namespace_go_to_legacy_and_those_to_come_will(site):
    moved = waiting_task(site, "one")
    held = waiting_task(site, "two", held=HeldReason.PERSON, reason="held by bob")
    other = site.job(namespace="team-b")

    answer = migrate(site, "legacy")

    assert answer.json() == {
        "override": True,
        "moved": 1,
        "stayed": [{"id": held, "detail": f"job {held} stays held: held by bob"}],
        "stayed_count": 1,
        "dry_run": False,
    }, answer.text
    assert told(site, "one").outcome == "legacy"
    assert (row(site, moved).state, row(site, other).state) == ("admitted", "queued")
    (flow,) = site.get("/flows").json()["flows"]
    assert (flow["scope"], flow["value"], flow["flow"], flow["by"]) == (
        "namespace",
        "team-a",
        "legacy",
        "admin",
    )
    assert ("set", "flow", "namespace team-a") in [(a.action, a.target_type, a.target) for a in audits(site)]
    assert "priority_spark.flow.migrate" in [log.event for log in logs(site)]


def test_a_dry_run_only_tells(site):
    waiting_task(site, "one")
    before = picture(site)

    answer = migrate(site, "observe", scope="site", value="", dry_run=True)

    assert (answer.json()["moved"], answer.json()["dry_run"]) == (1, True), answer.text
    assert picture(site) == before
    assert site.get("/flows").json() == {"flows": []}
    assert logs(site) == []


@pytest.mark.parametrize("user", ["viewer", "user", "op"])
def test_only_an_administrator_moves_flows(site, user):
    waiting_task(site, "one")
    before = picture(site)

    assert migrate(site, "legacy", user=user).status_code == 403
    assert picture(site) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "fast"}, "to"),
        ({"to": "legacy", "scope": "pool"}, "scope"),
        ({"to": "legacy", "value": ""}, "body"),
        ({"to": "legacy", "scope": "site"}, "body"),
    ],
)
def test_what_can_never_be_right_is_refused(site, body, field):
    answer = migrate(site, **body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


def test_flows_of_dags_that_may_not_be_read_are_not_shown(site):
    migrate(site, "observe", scope="dag_id", value="secret")
    migrate(site, "observe", scope="dag_id", value="etl")
    site.job()

    assert [each["value"] for each in site.get("/flows", user="viewer").json()["flows"]] == ["etl"]
    assert [each["value"] for each in site.get("/flows").json()["flows"]] == ["etl", "secret"]
