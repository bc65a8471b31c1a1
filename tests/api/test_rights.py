# SPDX-License-Identifier: Apache-2.0
"""Who may do what, for every route and every role of the simple auth manager (FAB: ``test_fab_acts``)."""

from __future__ import annotations

import json

import pytest

from airflow_priority_spark.api.routes import stream
from tests.api.acts import REASON, audits, last_event, logs
from tests.api.rights import ACTS, OF_ADMINISTRATORS, expected, routes, tried

#: Role → whether it reads, acts on jobs, administers queues.
ROLES = {
    "viewer": {"reads": True, "acts": False, "administers": False},
    "user": {"reads": True, "acts": True, "administers": False},
    "op": {"reads": True, "acts": True, "administers": False},
    "admin": {"reads": True, "acts": True, "administers": True},
}


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture(autouse=True)
def _streams_end_at_once(monkeypatch):
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.0)


def test_every_route_that_changes_something_is_in_the_table():
    changing = {route for route in routes() if route[0] not in ("GET", "HEAD")}
    assert changing == ACTS | OF_ADMINISTRATORS


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_what_it_may_and_nothing_else(site, role):
    found = {route: tried(site, role, route) for route in routes()}
    assert found == {route: expected(route, **ROLES[role]) for route in found}


def test_who_has_not_signed_in_does_nothing_at_all(site):
    assert {tried(site, None, route) for route in routes()} == {"not signed in"}


def test_every_act_stands_in_airflows_audit_log_in_ours_and_in_the_events_of_its_job(site):
    # A dry run is no act; ``test_flows`` has the audit of the real one.
    changing = [route for route in routes() if route in ACTS | OF_ADMINISTRATORS and "flows" not in route[1]]
    for route in changing:
        written, ours = len(logs(site)), len(audits(site))

        assert tried(site, "admin", route) == "done", route

        (log,) = sorted(logs(site), key=lambda each: each.id)[written:]
        extra = json.loads(log.extra)
        assert (log.owner, extra["reason"]) == ("admin", REASON), route
        audit = audits(site)[ours]
        assert (audit.actor, audit.reason) == ("admin", REASON), route
        if route in ACTS:
            said, actor = last_event(site, extra["job_id"])
            assert (actor, REASON in said) == ("admin", True), (route, said)
