# SPDX-License-Identifier: Apache-2.0
"""What people see in the browser, and what they can do there."""

from __future__ import annotations

import datetime
import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.models import ArbiterState, Pool
from tests.ui.site import MAPPED, MAPPED_TASK, RUN

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
    assert admin.violations("[data-testid=spark-queue]") == []
    assert admin.complaints == []


def test_the_tab_of_a_waiting_task_begins_with_one_sentence(admin):
    page = admin.go(task_page("morning_dashboard", "a_risk") + "/plugin/spark-queue")

    headline = page.get_by_test_id("headline")
    expect(headline).to_contain_text("cpu: needs 3 CPU, 1 CPU free of quota team-a")
    expect(headline).to_contain_text("Waiting 4")

    admin.photograph("task-instance")
    assert admin.violations("[data-testid=spark-queue]") == []
    assert admin.complaints == []


def test_the_tab_of_a_run_tells_waiting_from_running(admin):
    page = admin.go(f"/dags/nightly_reports/runs/{RUN}/plugin/spark-jobs")

    expect(row(page, "a_archive")).to_contain_text("running")
    expect(row(page, "b_backfill")).to_contain_text("queued")
    expect(page.get_by_role("table")).not_to_contain_text("deferred")

    admin.photograph("run")
    assert admin.violations("[data-testid=spark-jobs]") == []
    assert admin.complaints == []


def test_the_tab_of_a_dag_lists_the_jobs_of_all_its_runs(admin):
    page = admin.go("/dags/nightly_reports/plugin/spark-jobs-of-dag")

    expect(row(page, "a_archive")).to_contain_text("running")
    expect(row(page, "b_backfill")).to_contain_text("queued")
    expect(row(page, "hour_5")).to_contain_text("failed")
    expect(page.get_by_role("table")).not_to_contain_text("count_words")

    admin.photograph("dag")
    assert admin.violations("[data-testid=spark-jobs]") == []
    assert admin.complaints == []


def test_the_tasks_of_a_mapped_task_are_one_row_until_somebody_asks_for_each(admin):
    dag_id, task_id = MAPPED_TASK
    page = admin.queues(f"?search={task_id}")
    folded = row(page, task_id)
    expect(folded).to_have_count(1)
    expect(folded).to_contain_text(f"{task_id} ({MAPPED} mapped)")
    admin.photograph("mapped")

    page.get_by_label("Mapped tasks").select_option("Every job")
    expect(page.get_by_role("button", name=f"Details of {dag_id} {task_id}")).to_have_count(MAPPED)
    expect(page.get_by_role("row").filter(has_text=f"{task_id} [3]")).to_be_visible()
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


@pytest.mark.parametrize("role", ["user", "op"])
def test_an_operator_acts_on_jobs_but_not_on_queues(sign_in, night, role):
    with sign_in(role) as person:
        page = person.queues()
        expect(page.get_by_role("button", name="Actions on morning_dashboard b_stock")).to_be_visible()
        expect(page.get_by_role("button", name="Actions on queue")).to_have_count(0)
        page = person.queues("?tab=settings")
        expect(page.get_by_role("table", name="Priority pool high")).to_be_visible()
        for name in ("Edit", "Change flow"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        assert person.complaints == []
    body = {"reason": "not an administrator"}
    for path in ("queues/1/pause", "flows/migrate"):
        more = {"scope": "site", "to": "legacy"} if "flows" in path else {}
        answer = night.ask(role, "POST", f"/priority-spark/api/v1/{path}", body | more)
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
    assert admin.violations("#root") == []
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
    page = admin.queues(f"?tab={tab}&span=21600")
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
        person.photograph("dark")
        assert person.violations("#root") == []
        page = person.queues("?tab=running")
        expect(row(page, "a_archive")).to_be_visible()
        assert person.violations("#root") == []
        assert person.complaints == []


@pytest.mark.parametrize(("tab", "task_id", "column"), [
    ("running", "a_archive", "Running for"),
    ("admitted", "b_sales_by_product", "Waits in Airflow for"),
])  # fmt: skip
def test_what_is_admitted_and_what_runs_have_lists_of_their_own(admin, tab, task_id, column):
    page = admin.queues(f"?tab={tab}")
    expect(row(page, task_id)).to_be_visible()
    expect(page.get_by_role("columnheader", name=column)).to_be_visible()
    if tab == "admitted":
        expect(row(page, task_id)).to_contain_text("it waits for a slot of the executor")
    admin.photograph(tab)
    assert admin.violations("#root") == []
    assert admin.complaints == []


def test_times_are_typed_and_shown_in_the_zone_that_was_chosen_in_airflow(admin, night):
    page = admin.queues("?tab=history")
    expect(page.get_by_text("Times in UTC")).to_be_visible()
    page.evaluate("localStorage.setItem('timezone', JSON.stringify('Asia/Tokyo'))")
    page.reload()
    expect(page.get_by_text("Times in Asia/Tokyo")).to_be_visible()

    page.get_by_role("button", name="Absolute times").click()
    ended = night.ago(118 - 6 * 5 - 5) + datetime.timedelta(hours=9)
    expect(row(page, "hour_5")).to_contain_text(f"{ended:%Y-%m-%d %H:%M:%S}")
    page.get_by_label("Queued after (Asia/Tokyo)").fill("2026-11-21T09:30")
    expect(page).to_have_url(re.compile(r"queued_after=2026-11-21T00%3A30%3A00\.000Z"))
    expect(page.get_by_label("Queued after (Asia/Tokyo)")).to_have_value("2026-11-21T09:30")
    admin.photograph("time-zone")
    assert admin.complaints == []


def test_a_pool_is_edited_where_it_stands_and_a_wrong_value_is_refused_in_words(admin, night):
    page = admin.queues()
    page.get_by_role("button", name="Actions on queue team-b").click()
    page.get_by_role("menuitem", name="Edit pool normal").click()
    dialog = page.get_by_role("alertdialog")
    save = dialog.get_by_role("button", name="Change settings")
    dialog.get_by_label("weight").fill("0")
    dialog.get_by_label("Reason").fill("backfills may hurry")
    save.click()
    expect(dialog.get_by_role("alert").or_(dialog.get_by_text("weight: 0 is not valid"))).to_be_visible()
    assert [said for said in admin.complaints if "422" not in said] == []
    admin.complaints.clear()

    dialog.get_by_label("weight").fill("30")
    dialog.get_by_label("head_timeout_seconds").fill("900")
    expect(dialog).to_contain_text("weight: 10 → 30")
    admin.photograph("edit-pool")
    assert admin.violations("[role=alertdialog]") == []
    save.click()
    expect(dialog).to_be_hidden()
    page.get_by_test_id("queue-team-b").get_by_text("weight 30").wait_for()

    page = admin.queues("?tab=settings&namespace=team-b")
    table = page.get_by_role("table", name="Priority pool normal of team-b")
    changed = table.get_by_role("row").filter(has_text="head_timeout_seconds")
    for text in ("900", "pool", "admin", "ago"):
        expect(changed).to_contain_text(text)
    changed.scroll_into_view_if_needed()
    admin.photograph("settings-changed")
    pool = night.write(lambda session: session.scalars(select(Pool).where(Pool.weight == 30)).one())
    assert (pool.name, pool.head_timeout_seconds) == ("normal", 900)
    assert admin.complaints == []


def test_a_changed_demand_is_what_the_job_waits_for_from_then_on(admin, night):
    page = admin.queues("?search=count_words")
    page.get_by_role("button", name="Actions on word_count count_words").click()
    page.get_by_role("menuitem", name="Change demand").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_label("executor memory")).to_have_value("896Mi")
    dialog.get_by_label("executor memory").fill("512Mi")
    dialog.get_by_label("Reason").fill("half is enough")
    admin.photograph("change-demand")
    assert admin.violations("[role=alertdialog]") == []
    dialog.get_by_role("button", name="Change demand").click()
    expect(dialog).to_be_hidden()

    expect(row(page, "count_words")).to_contain_text("1.4 GiB memory")
    page.get_by_role("button", name="Details of word_count count_words").click()
    expect(page.get_by_role("list", name="Events")).to_contain_text("half is enough")
    assert demand_from_json(night.job("count_words").demand).pod_sets[1].requests["memory"] == 512 * 2**20
    assert admin.complaints == []


def test_the_flow_of_a_dag_is_tried_and_then_changed(admin, night):
    page = admin.queues("?tab=settings")
    page.get_by_role("button", name="Change flow").click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_label("Its name").fill("too_big")
    dialog.get_by_label("Flow").select_option("observe")
    dialog.get_by_role("button", name="Tell what would happen").click()
    expect(dialog).to_contain_text("Would move 0 waiting jobs; jobs to come follow.")
    assert night.ask("admin", "GET", "/priority-spark/api/v1/flows").json() == {"flows": []}
    dialog.get_by_label("Reason").fill("to see what it would wait for")
    admin.photograph("change-flow")
    assert admin.violations("[role=alertdialog]") == []
    dialog.get_by_role("button", name="Change flow").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("table", name="Deployment flows")).to_contain_text("DAG too_big")
    assert admin.complaints == []


def test_a_job_is_acted_on_with_the_keyboard_alone(admin):
    page = admin.queues()
    actions = page.get_by_role("button", name="Actions on morning_dashboard b_stock")
    actions.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Change pool")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert admin.complaints == []


def test_a_banner_says_when_no_arbiter_leads(admin, night):
    night.write(lambda session: setattr(session.get_one(ArbiterState, 1), "lease_until", night.ago(5)))
    page = admin.queues()
    expect(page.get_by_role("alert")).to_contain_text("No arbiter leads: nothing is admitted")
    admin.photograph("no-arbiter")
    assert admin.violations("#root") == []
    assert admin.complaints == []


def test_a_banner_says_when_the_picture_of_a_cluster_is_stale(admin, night):
    night.lead(stale="it answers 503")
    page = admin.queues()
    expect(page.get_by_role("alert")).to_contain_text("is stale: it answers 503; nothing is admitted there")
    page = admin.go(task_page("morning_dashboard", "a_risk") + "/plugin/spark-queue")
    expect(page.get_by_role("alert")).to_contain_text("is stale: it answers 503")
    admin.photograph("stale")
    assert admin.complaints == []
