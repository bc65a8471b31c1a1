# SPDX-License-Identifier: Apache-2.0
"""What people see in the browser, and what they can do there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.ui.site import RUN

pytestmark = [pytest.mark.ui, pytest.mark.e2e]


def row(page: Page, task_id: str):
    return page.get_by_role("row").filter(has=page.get_by_role("button", name=f" {task_id}").first)


def task_page(dag_id: str, task_id: str) -> str:
    return f"/dags/{dag_id}/runs/{RUN}/tasks/{task_id}"


def test_the_view_says_what_a_blocked_job_waits_for(admin):
    page = admin.queues()

    expect(row(page, "b_stock")).to_contain_text("memory: needs 1.75 GiB, 512 MiB free of quota team-b")
    expect(row(page, "a_sales_by_harbour")).to_contain_text("behind 1 of its priority pool")
    expect(page.get_by_text("requests.memory (blocking)")).to_be_visible()
    expect(page.get_by_text("requests.cpu (blocking)")).to_be_visible()

    admin.photograph("queues")
    assert admin.violations("#root") == []
    assert admin.complaints == []


def test_a_changed_pool_moves_the_job_and_the_event_names_the_person(admin, night):
    page = admin.queues("?search=a_words")
    expect(row(page, "a_words_of_the_sea")).to_contain_text("normal")
    page.get_by_role("button", name="Actions on nightly_reports a_words_of_the_sea").click()
    page.get_by_role("menuitem", name="Change pool").click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_label("Priority pool").select_option("high")
    dialog.get_by_label("Reason").fill("the harbour master waits for it")
    admin.photograph("change-pool")
    assert admin.violations("[role=alertdialog]") == []
    dialog.get_by_role("button", name="Change pool").click()
    expect(dialog).to_be_hidden()

    expect(row(page, "a_words_of_the_sea").get_by_role("cell", name="high", exact=True)).to_be_visible()
    assert night.job("a_words_of_the_sea").pool == "high"
    page.get_by_role("button", name="Details of nightly_reports a_words_of_the_sea").click()
    events = page.get_by_role("list", name="Events")
    expect(events).to_contain_text("the harbour master waits for it")
    expect(events).to_contain_text("by admin")
    admin.photograph("job")
    assert admin.violations("[role=dialog]") == []
    assert admin.complaints == []


def test_the_tab_of_a_task_shows_its_way(admin):
    page = admin.go(task_page("nightly_reports", "a_archive") + "/plugin/spark-queue")

    events = page.get_by_role("list", name="Events")
    for state in ("queued", "admitted", "submitted", "running"):
        expect(events.get_by_text(state, exact=True).first).to_be_visible()
    expect(events).to_contain_text("the driver of nightly-reports-a-archive-1 runs")
    expect(page.get_by_text("nightly-reports-a-archive-1", exact=True)).to_be_visible()

    admin.photograph("task-instance-running")
    assert admin.complaints == []


def test_the_tab_of_a_waiting_task_begins_with_one_sentence(admin):
    page = admin.go(task_page("morning_dashboard", "a_risk") + "/plugin/spark-queue")

    headline = page.get_by_test_id("headline")
    expect(headline).to_contain_text("cpu: needs 3 CPU, 1 CPU free of quota team-a")
    expect(headline).to_contain_text("Waiting 4")

    admin.photograph("task-instance")
    assert admin.complaints == []


def test_the_tab_of_a_run_tells_waiting_from_running(admin):
    page = admin.go(f"/dags/nightly_reports/runs/{RUN}/plugin/spark-jobs")

    expect(row(page, "a_archive")).to_contain_text("running")
    expect(row(page, "b_backfill")).to_contain_text("queued")
    expect(page.get_by_role("table")).not_to_contain_text("deferred")

    admin.photograph("run")
    assert admin.complaints == []


def test_a_viewer_sees_everything_and_can_change_nothing(viewer, night):
    page = viewer.queues()

    expect(row(page, "b_stock")).to_contain_text("memory: needs 1.75 GiB")
    expect(page.get_by_role("button", name="Actions on")).to_have_count(0)
    expect(page.get_by_role("checkbox", name="Select")).to_have_count(0)
    page.get_by_role("button", name="Details of morning_dashboard b_stock").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("list", name="Events")).to_be_visible()
    for act in ("Change pool", "Hold", "Cancel", "Move to front", "Send to legacy"):
        expect(dialog.get_by_role("button", name=act)).to_have_count(0)
    assert viewer.complaints == []

    job_id = night.ids["b_stock"]
    body = {"pool": "normal", "reason": "as a viewer"}
    answer = night.ask("viewer", "PATCH", f"/priority-spark/api/v1/jobs/{job_id}", body)
    assert answer.status_code == 403, answer.text
    assert night.job("b_stock").pool == "high"


def test_an_operator_acts_on_jobs_but_not_on_queues(sign_in, night):
    with sign_in("user") as person:
        page = person.queues()
        expect(page.get_by_role("button", name="Actions on morning_dashboard b_stock")).to_be_visible()
        expect(page.get_by_role("button", name="Actions on queue")).to_have_count(0)
        assert person.complaints == []
    answer = night.ask("user", "POST", "/priority-spark/api/v1/queues/1/pause", {"reason": "as a user"})
    assert answer.status_code == 403, answer.text


def test_many_jobs_are_held_and_released_at_once(admin, night):
    page = admin.queues("?dag_id=nightly_reports&namespace=team-b")
    for task_id in ("b_backfill", "b_archive"):
        page.get_by_role("row").filter(has_text=task_id).locator("label").first.click()
    bar = page.get_by_role("toolbar", name="Acts on the selected jobs")
    expect(bar).to_contain_text("2 jobs selected")
    bar.get_by_role("button", name="Hold").click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_label("Reason").fill("until the backfill is needed")
    dialog.get_by_role("button", name="Hold (2)").click()
    expect(page.get_by_text("2 jobs changed")).to_be_visible()
    expect(row(page, "b_archive")).to_contain_text("held")
    assert {night.job(name).state for name in ("b_backfill", "b_archive")} == {"held"}
    admin.photograph("held")
    assert admin.complaints == []


def test_what_has_ended_is_found_by_its_name(admin):
    page = admin.queues("?tab=history")
    expect(page.get_by_role("table")).to_contain_text("no state of the namespace could satisfy it")
    admin.photograph("history")
    page.get_by_label("Search").fill("forty")
    expect(page.get_by_role("row")).to_have_count(2)
    assert admin.violations("#root") == []
    assert admin.complaints == []


@pytest.mark.parametrize("tab", ["charts", "settings"])
def test_charts_and_settings_are_drawn(admin, tab):
    page = admin.queues(f"?tab={tab}")
    expect(page.get_by_role("table").first).to_be_visible()
    page.wait_for_timeout(1000)
    admin.photograph(tab)
    assert admin.violations("#root") == []
    assert admin.complaints == []


def test_the_view_is_there_in_the_dark(sign_in):
    with sign_in("admin", color_scheme="dark") as person:
        page = person.queues()
        page.evaluate("localStorage.setItem('theme', 'dark')")
        page.reload()
        expect(row(page, "b_stock")).to_be_visible()
        expect(page.locator("html")).to_have_class("dark")
        assert person.violations("#root") == []
        assert person.complaints == []


def test_a_banner_says_when_no_arbiter_leads(admin, night):
    from airflow_priority_spark.store.models import ArbiterState

    night.write(lambda session: setattr(session.get_one(ArbiterState, 1), "lease_until", night.ago(5)))
    page = admin.queues()
    expect(page.get_by_role("alert")).to_contain_text("No arbiter leads: nothing is admitted")
    admin.photograph("no-arbiter")
    assert admin.violations("#root") == []
    assert admin.complaints == []
