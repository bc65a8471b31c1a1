# SPDX-License-Identifier: Apache-2.0
"""The server-rendered list where the FAB provider is installed, and its absence where it is not."""

from __future__ import annotations

import sys

import pytest
from airflow.api_fastapi.core_api.app import init_flask_plugins
from starlette.testclient import TestClient

from airflow_priority_spark.api.access import QUEUE_RESOURCE
from airflow_priority_spark.plugin import fab
from airflow_priority_spark.plugin.plugin import PrioritySparkPlugin
from tests.api.conftest import Site, simple_site

LIST = fab.LIST
CSV = LIST.replace("/list/", "/csv/")


@pytest.fixture
def site(database, monkeypatch):
    """The API behind the simple auth manager, with Airflow's app for such views beside it."""
    from airflow import plugins_manager

    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "a secret of the tests")
    monkeypatch.setattr(
        plugins_manager,
        "get_flask_plugins",
        lambda: ([], PrioritySparkPlugin().appbuilder_views, PrioritySparkPlugin().appbuilder_menu_items),
    )
    with simple_site(database, monkeypatch) as made:
        with pytest.warns(DeprecationWarning, match="FAB view"):
            init_flask_plugins(made.host)
        yield made


def get(site: Site, path: str, user: str | None = "viewer", **parameters):
    cookies = {"_token": site.tokens[user]} if user else {}
    with TestClient(site.host, cookies=cookies, follow_redirects=False) as client:
        return client.get(path, params=parameters)


def test_a_viewer_sees_jobs_as_a_page(site):
    site.job(task_id="aggregate")
    answer = get(site, LIST)
    assert answer.status_code == 200, answer.text
    assert "aggregate" in answer.text
    assert " UTC</td>" in answer.text


def test_rows_are_filtered(site):
    site.job(task_id="aggregate", pool="high")
    site.job(task_id="clean", pool="normal")
    answer = get(site, LIST, _flt_0_pool="high")
    assert "aggregate" in answer.text
    assert "clean" not in answer.text


def test_what_is_shown_is_given_as_csv(site):
    job_id = site.job(task_id="aggregate", pool="high", reason="=cmd|' /C calc'!A0")
    site.job(task_id="clean", pool="normal")
    answer = get(site, CSV, _flt_0_pool="high")
    assert answer.headers["content-type"].startswith("text/csv")
    header, row = answer.text.splitlines()
    assert header.startswith("id,dag_id,run_id,task_id")
    assert row.startswith(f"{job_id},etl,run-1,aggregate,-1,1,high,queued,")
    assert "'=cmd|" in row


def test_jobs_of_dags_that_may_not_be_read_are_not_shown(site):
    from tests.store.rows import make_job, make_queue

    with site.database.session() as session, session.begin():
        make_job(session, make_queue(session), dag_id="secret")
    assert "secret" not in get(site, LIST).text
    assert "secret" not in get(site, CSV).text


def test_stored_script_tags_are_shown_as_text(site):
    site.job(reason="<script>alert(1)</script>")
    text = get(site, LIST).text
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_nobody_looks_without_signing_in(site):
    assert get(site, LIST, user=None).status_code == 401
    assert get(site, CSV, user=None).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_changes_nothing(site, method):
    job_id = site.job()
    with TestClient(site.host, cookies={"_token": site.tokens["admin"]}) as client:
        for action in ("add", f"edit/{job_id}", f"delete/{job_id}", "list/"):
            answer = client.request(method, LIST.replace("list/", action), follow_redirects=False)
            assert answer.status_code in (404, 405), action
    assert site.get("/jobs").json()["jobs"][0]["state"] == "queued"


@pytest.mark.parametrize("missing", ["airflow.providers.fab", "flask_appbuilder"])
def test_without_the_provider_nothing_is_registered(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [name for name in sys.modules if name.startswith(missing + ".")]:
        monkeypatch.delitem(sys.modules, name)
    assert PrioritySparkPlugin().appbuilder_views == []
    assert PrioritySparkPlugin().appbuilder_menu_items == []


def test_the_menu_leads_to_the_list(site):
    (item,) = PrioritySparkPlugin().appbuilder_menu_items
    assert get(site, item["href"]).status_code == 200


def test_the_role_editor_has_a_right_to_read_and_one_to_edit():
    from airflow_priority_spark.plugin.fab_view import JobList

    assert JobList.class_permission_name == QUEUE_RESOURCE
    assert JobList.base_permissions == ["can_read", "can_edit"]
