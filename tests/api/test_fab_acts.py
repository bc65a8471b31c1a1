# SPDX-License-Identifier: Apache-2.0
"""Who acts behind the FAB auth manager, with the roles that it brings.

Each test sets up FAB's tables and roles; ``make test`` runs the one on roles, ``make test-api`` all.
"""

from __future__ import annotations

import pytest

from airflow_priority_spark.api.routes import stream
from tests.api.acts import REASON, patch, picture, post, send
from tests.api.conftest import Site, end_threads, make_host
from tests.api.rights import expected, routes, tried

LIST = "/pluginsv2/priority-spark-jobs/list/"
MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
ROLES = ("Viewer", "User", "Op", "Admin", "Public")
ONE_DAG = (
    ("can_read", "DAG:open"),
    ("can_edit", "DAG:open"),
    ("can_read", "Task Instances"),
    ("can_read", "DAG Runs"),
    ("can_edit", "DAG Runs"),
)


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def fab(database, monkeypatch):
    """The API behind FAB, with a user of every role named like it, and one who may edit one DAG."""
    from airflow.api_fastapi.app import get_auth_manager, purge_cached_app
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", MANAGER)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of the tests that is long enough " * 3)
    done = database.airflow("fab-db", "migrate", AIRFLOW__CORE__AUTH_MANAGER=MANAGER, check=False)
    assert done.returncode == 0, done.stdout
    site = Site(database, make_host())
    site.job(dag_id="open"), site.job(dag_id="secret")
    with get_application_builder() as builder:
        manager = builder.sm
        manager.create_permission("can_edit", "Priority Spark Queues")
        manager.sync_roles()
        manager.create_dag_specific_permissions()
        one = manager.add_role("OneDag")
        for action, resource in ONE_DAG:
            manager.add_permission_to_role(one, manager.create_permission(action, resource))
        for role in (*ROLES, "OneDag"):
            user = manager.add_user(role, role, role, f"{role}@example.org", manager.find_role(role), "pass")
            site.tokens[role] = get_auth_manager().generate_jwt(user)
    yield site
    end_threads()
    purge_cached_app()


def jobs(site) -> dict[str, str]:
    return {job["dag_id"]: job["id"] for job in site.get("/jobs", user="Admin").json()["jobs"]}


def test_who_may_edit_runs_acts_on_jobs_and_only_an_administrator_on_queues(fab):
    queue_id, job_id = fab.queue(), jobs(fab)["open"]
    found = {}
    for role in ("Public", "Viewer", "User", "Op", "Admin"):
        pool = "high" if role in ("User", "Admin") else "normal"
        job = patch(fab, f"/jobs/{job_id}", {"pool": pool}, user=role).status_code
        weight = patch(fab, f"/queues/{queue_id}", {"weight": 5}, user=role).status_code
        body = {"scope": "site", "to": "observe", "dry_run": True, "reason": REASON}
        found[role] = (job, weight, post(fab, "/flows/migrate", body, user=role).status_code)
    assert found == {
        "Public": (403, 403, 403),
        "Viewer": (403, 403, 403),
        "User": (200, 403, 403),
        "Op": (200, 403, 403),
        "Admin": (200, 200, 200),
    }
    before = picture(fab)
    assert post(fab, f"/jobs/{job_id}/cancel", user=None).status_code == 401
    assert send(fab, "DELETE", f"/queues/{queue_id}/pools/high", user=None).status_code == 401
    assert picture(fab) == before


@pytest.mark.long
def test_every_role_does_what_it_may_on_every_route_and_nothing_else(fab, monkeypatch):
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.0)
    fab.job()
    rights = {
        "Public": {"reads": False, "acts": False, "administers": False},
        "Viewer": {"reads": True, "acts": False, "administers": False},
        "User": {"reads": True, "acts": True, "administers": False},
        "Op": {"reads": True, "acts": True, "administers": False},
        "Admin": {"reads": True, "acts": True, "administers": True},
    }
    for role, may in rights.items():
        found = {route: tried(fab, role, route) for route in routes()}
        assert found == {route: expected(route, **may) for route in found}, role
    assert {tried(fab, None, route) for route in routes()} == {"not signed in"}


@pytest.mark.long
def test_a_right_on_one_dag_is_no_right_to_act_on_another(fab):
    ids = jobs(fab)

    assert post(fab, f"/jobs/{ids['secret']}/hold", user="OneDag").status_code == 404
    answer = post(
        fab, "/jobs/bulk", {"action": "hold", "ids": list(ids.values()), "reason": REASON}, user="OneDag"
    )

    assert (answer.json()["changed"], answer.json()["refused_count"]) == (1, 1), answer.text
    assert answer.json()["refused"][0]["id"] == ids["secret"]
    bulk = {"action": "pool", "pool": "high", "filter": {}, "reason": REASON}
    assert post(fab, "/jobs/bulk", bulk, user="OneDag").json()["changed"] == 1


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_role_editor_knows_the_queue_resource_and_who_was_given_it_sees_the_list(fab, monkeypatch):
    from airflow import plugins_manager
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.core_api.app import init_flask_plugins
    from starlette.testclient import TestClient

    from airflow_priority_spark.plugin.plugin import PrioritySparkPlugin

    monkeypatch.setattr(
        plugins_manager, "get_flask_plugins", lambda: ([], PrioritySparkPlugin().appbuilder_views, [])
    )
    init_flask_plugins(fab.host)
    manager = get_auth_manager().security_manager
    admin = {(perm.action.name, perm.resource.name) for perm in manager.find_role("Admin").permissions}
    assert {("can_read", "Priority Spark Queues"), ("can_edit", "Priority Spark Queues")} <= admin

    def look(role: str):
        with TestClient(fab.host, cookies={"_token": fab.tokens[role]}, follow_redirects=False) as client:
            return client.get(LIST)

    assert "secret" in look("Admin").text
    refused = look("OneDag")
    assert (refused.status_code, refused.text) == (403, "You need the right to read 'Priority Spark Queues'.")
    role = manager.find_role("OneDag")
    manager.add_permission_to_role(role, manager.get_permission("can_read", "Priority Spark Queues"))
    get_auth_manager().cache.clear()
    allowed = look("OneDag")
    assert allowed.status_code == 200
    assert "open" in allowed.text
    assert "secret" not in allowed.text
