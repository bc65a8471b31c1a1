# SPDX-License-Identifier: Apache-2.0
"""A night on which ten thousand jobs wait, on PostgreSQL: the page is as light as on any other."""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.store.rows import make_job, make_queue
from tests.ui.conftest import open_site
from tests.ui.site import RUN

pytestmark = [pytest.mark.ui, pytest.mark.e2e, pytest.mark.postgresql, pytest.mark.timeout(900)]

MANY = 10_000
#: Within which a person does not wonder whether the page hangs, in milliseconds; a page itself takes tens.
SOON = 5_000
BATCH = 1_000


@pytest.fixture(scope="module")
def night(postgresql_server):
    """A site of its own, with a queue of which nobody sees the end."""
    postgresql_server.run("CREATE DATABASE long_queue")
    directory = Path(tempfile.mkdtemp(prefix="priority-spark-ui-"))
    try:
        with open_site(directory, postgresql_server.url("long_queue")) as night:
            for begin in range(0, MANY, BATCH):
                night.write(lambda session, begin=begin: _wait(session, night, begin))
            yield night
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait(session, night, begin: int) -> None:
    queue = make_queue(session, "team-b")
    for number in range(begin, begin + BATCH):
        since = night.ago(5) + datetime.timedelta(milliseconds=number)
        make_job(
            session, queue, enqueued_at=since, dag_id="word_count", run_id=RUN, task_id=f"part_{number}",
            user="admin",
        )  # fmt: skip


def test_the_page_shows_pages_searches_and_turns_at_once(admin):
    page = admin.queues()
    rows = page.get_by_role("table").first.get_by_role("row")
    page.reload()
    expect(rows).to_have_count(26, timeout=SOON)
    expect(page.get_by_text("more than 10,000 jobs in all")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text(re.compile(r"^26\W50;"))).to_be_visible(timeout=SOON)
    page.get_by_label("Search").fill("b_stock")
    expect(rows).to_have_count(2, timeout=SOON)
    expect(rows.nth(1)).to_contain_text("b_stock", timeout=SOON)
    assert admin.complaints == []
