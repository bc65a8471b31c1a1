# SPDX-License-Identifier: Apache-2.0
"""The list that the server renders, in the browser of somebody who signed in behind the FAB auth manager."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from airflow_priority_spark.api.access import QUEUE_RESOURCE
from airflow_priority_spark.plugin import fab
from demo.site import AirflowSite
from tests.builders import make_dag
from tests.store.rows import make_job, make_queue
from tests.ui.conftest import HEIGHT, IMAGES, PATIENCE, WIDTH
from tests.ui.site import PASSWORD, ROOT

# The first test waits for FAB's tables and the server.
pytestmark = [pytest.mark.ui, pytest.mark.e2e, pytest.mark.timeout(600)]

MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
ROLES = ("Admin", "Viewer")
ADD_PEOPLE = """
import sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    builder.sm.sync_roles()
    for role in sys.argv[2:]:
        mail = f"{role}@example.org"
        assert builder.sm.add_user(role, role, role, mail, builder.sm.find_role(role), sys.argv[1])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[AirflowSite]:
    """An API server behind FAB with a user of each role, named like it, and three jobs."""
    directory = tmp_path_factory.mktemp("fab")
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n")
    config = {"core.auth_manager": MANAGER}
    with AirflowSite(
        directory / "airflow", dags=ROOT / "dags", kubeconfig=kubeconfig, config=config
    ) as started:
        started.migrate()
        add_people(started)
        fill(started)
        started.start("api-server")
        started.wait_healthy()
        yield started


def add_people(site: AirflowSite) -> None:
    """Add the users in one process: each ``airflow users create`` would be one more."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ADD_PEOPLE, PASSWORD, *ROLES],
        env=site.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def fill(site: AirflowSite) -> None:
    now = datetime.datetime.now(datetime.UTC)
    with site.database() as session, session.begin():
        make_dag(session, "nightly_reports")
        queue = make_queue(session, "team-a")
        for number, (task_id, pool) in enumerate(
            [("a_risk", "high"), ("a_pi", "normal"), ("b_words", "normal")]
        ):
            at = now - datetime.timedelta(minutes=number)
            job = {"dag_id": "nightly_reports", "task_id": task_id, "pool": pool, "user": "Admin"}
            make_job(session, queue, enqueued_at=at, **job)


@pytest.fixture
def sign_in(site, browser: Browser) -> Iterator:
    """Return what signs somebody in on FAB's own page."""
    expect.set_options(timeout=PATIENCE)
    contexts = []

    def signed_in(role: str) -> Page:
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, base_url=site.api.base_url)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/auth/login/")
        page.locator("input[name=username]").fill(role)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[type=submit], button[type=submit]").first.click()
        page.wait_for_url(lambda url: "login" not in url)
        return page

    yield signed_in
    for context in contexts:
        context.close()


def test_an_administrator_lists_filters_and_downloads_jobs(sign_in):
    page = sign_in("Admin")
    page.goto(fab.LIST)
    table = page.get_by_role("table").first
    for task_id in ("a_risk", "a_pi", "b_words"):
        expect(table).to_contain_text(task_id)
    page.screenshot(path=IMAGES / "fab-list.png")
    # The right to edit queues is none to edit rows in a form.
    expect(page.locator("a[href*='/edit/']")).to_have_count(0)
    for action in ("add", "edit/1", "delete/1"):
        assert page.request.get(fab.LIST.replace("list/", action)).status == 404, action

    page.goto(f"{fab.LIST}?_flt_0_pool=high")
    expect(table).to_contain_text("a_risk")
    expect(table).not_to_contain_text("b_words")

    answer = page.request.get(fab.LIST.replace("/list/", "/csv/"), params={"_flt_0_pool": "high"})
    assert answer.headers["content-type"].startswith("text/csv")
    header, row = answer.text().splitlines()
    assert header.startswith("id,dag_id,run_id,task_id")
    assert ",nightly_reports," in row
    assert ",a_risk," in row


def test_the_menu_has_the_list(sign_in):
    page = sign_in("Admin")
    page.get_by_role("button", name="Browse").click()
    expect(page.get_by_role("menuitem", name=fab.NAME)).to_be_visible()


def test_the_queue_view_is_there_too(sign_in):
    page = sign_in("Admin")
    page.goto("/plugin/spark-queues")
    expect(page.get_by_role("button", name="Details of nightly_reports a_risk")).to_be_visible()
    expect(page.get_by_role("button", name="Actions on queue team-a")).to_be_visible()


def test_the_role_editor_offers_to_read_and_to_edit_queues(sign_in):
    page = sign_in("Admin")
    page.goto("/auth/roles/list/")
    page.locator("a[href*='/roles/edit/']").first.click()
    for action in ("can read", "can edit"):
        option = page.locator("option").filter(has_text=f"{action} on {QUEUE_RESOURCE}")
        expect(option).to_have_count(1)


def test_a_viewer_has_no_right_to_the_list(sign_in):
    page = sign_in("Viewer")
    refused = page.request.get(fab.LIST)
    assert refused.status == 403
    assert refused.text() == f"You need the right to read {QUEUE_RESOURCE!r}."
