# SPDX-License-Identifier: Apache-2.0
"""Who sees what, behind the simple auth manager (``test_fab`` asks the same of the other)."""

from __future__ import annotations

import pytest
from airflow.models.dag import DagModel
from sqlalchemy import delete

from tests.builders import make_dag

PATHS = (
    "/me",
    "/queues",
    "/queues/1",
    "/jobs",
    "/jobs.csv",
    "/capacity",
    "/arbiter",
    "/history",
    "/history/heatmap",
    "/task-instances/etl/run-1/spark/-1",
)


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def only_open(monkeypatch):
    """Let everybody read one DAG only, as a manager with rights per DAG does."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    asked = SimpleAuthManager.is_authorized_dag

    def of_one(self, *, method, user, access_entity=None, details=None):
        allowed = details is None or details.id in (None, "open")
        return allowed and asked(self, method=method, user=user, access_entity=access_entity, details=details)

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", of_one)


@pytest.mark.parametrize("path", PATHS)
def test_nobody_reads_anything_without_signing_in(site, path):
    site.queue()
    answer = site.get(path, user=None)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PATHS)
def test_every_role_reads(site, path):
    site.job()
    assert {role: site.get(path, user=role).status_code for role in site.tokens} == dict.fromkeys(
        site.tokens, 200
    )


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "e" * 5000])
def test_a_wrong_token_is_refused(site, token):
    site.tokens["mallory"] = token
    assert site.get("/jobs", user="mallory").status_code in (401, 403)


def test_a_token_of_another_secret_is_refused(site, monkeypatch):
    import jwt

    forged = jwt.encode({"sub": "admin", "role": "ADMIN"}, "another secret " * 8, "HS512")
    site.tokens["mallory"] = forged
    answer = site.get("/jobs", user="mallory")
    assert (answer.status_code, answer.json()["detail"]) == (403, "Invalid JWT token")


def test_what_each_role_may_do(site):
    site.job()
    rights = {
        role: (me["can_act"], me["can_edit_queues"])
        for role in site.tokens
        if (me := site.get("/me", user=role).json())
    }
    assert rights == {
        "viewer": (False, False),
        "user": (True, False),
        "op": (True, False),
        "admin": (True, True),
    }


def test_a_viewer_is_offered_no_act(site):
    site.job()
    assert site.get("/jobs", user="viewer").json()["jobs"][0]["actions"] == []
    assert site.get("/jobs", user="user").json()["jobs"][0]["actions"] != []


def test_jobs_of_other_dags_are_counted_but_not_shown(site, only_open):
    mine = site.job(dag_id="open")
    site.job(dag_id="secret")

    page = site.get("/jobs").json()

    assert [job["id"] for job in page["jobs"]] == [mine]
    assert (page["hidden"], page["total"]) == (1, 1)
    assert site.get("/queues").json()["hidden_jobs"] == 1


@pytest.mark.parametrize(
    "filters",
    [
        {"dag_id": "secret"},
        {"search": "secret"},
        {"user": "eve"},
        {"team": "x"},
        {"run_id": "run-1"},
        {"blocking_resource": "memory"},
        {"end_reason": "x"},
        {"queued_after": "2030-01-01T00:00:00Z"},
    ],
)
def test_no_filter_tells_anything_about_hidden_jobs(site, only_open, filters):
    site.job(dag_id="secret", user="eve", blocking_resource="memory")

    with site.client() as client:
        with_filter = client.get("/priority-spark/api/v1/jobs", params=filters).json()

    assert with_filter["jobs"] == []
    assert with_filter["total"] == 0
    assert with_filter["hidden"] == site.get("/jobs").json()["hidden"] == 1


def test_a_hidden_job_is_as_unknown_as_one_that_is_not_there(site, only_open):
    hidden = site.job(dag_id="secret")
    for path in (f"/jobs/{hidden}", f"/jobs/{hidden}/events"):
        answer = site.get(path)
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"no job has the id {hidden}, or you may not read its DAG"
    with site.client() as client:
        assert client.head(f"/priority-spark/api/v1/jobs/{hidden}").status_code == 404


def test_a_hidden_head_and_a_hidden_neighbour_have_no_name(site, only_open):
    site.job(dag_id="secret", task_id="payroll")
    mine = site.job(dag_id="open")

    pools = {pool["name"]: pool for pool in site.get("/queues").json()["queues"][0]["pools"]}
    job = site.get(f"/jobs/{mine}")

    assert (pools["normal"]["head"]["job_id"], pools["normal"]["head"]["dag_id"]) == (None, None)
    assert (job.json()["position"], job.json()["ahead_jobs"][0]["id"]) == (2, None)
    assert "payroll" not in job.text
    assert "secret" not in job.text


def test_an_export_and_a_lookup_hide_as_well(site, only_open):
    site.job(dag_id="secret", task_id="payroll")
    assert "payroll" not in site.get("/jobs.csv").text
    answer = site.get("/task-instances/secret/run-1/payroll/-1")
    assert (answer.status_code, answer.json()["detail"]) == (403, "you may not read DAG 'secret'")


def test_jobs_of_a_dag_that_airflow_has_forgotten_are_only_counted(site):
    site.job(dag_id="gone")
    with site.database.session() as session, session.begin():
        session.execute(delete(DagModel).where(DagModel.dag_id == "gone"))
    page = site.get("/jobs").json()
    assert (page["jobs"], page["hidden"]) == ([], 1)


def test_nobody_without_roles_gets_in(site, monkeypatch):
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    with site.database.session() as session, session.begin():
        make_dag(session)
    site.tokens["nothing"] = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="x", role=None))
    assert site.get("/queues", user="nothing").status_code == 403
