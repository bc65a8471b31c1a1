# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium on a real Airflow, a person of each role before it."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.ui.site import PASSWORD, ROOT, Night, airflow_site, fill

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 860
#: Two cores, shared with others: how long a page may take to show what it shall, in milliseconds.
PATIENCE = 30_000
#: Airflow draws the icon of a plugin without an alternative text, beside its name.
NOT_OURS = "img[src*='priority-spark/static']"


@dataclass
class Person:
    """Somebody signed in, before a browser window.

    :param complaints: errors in the browser's console, and exceptions that nobody caught.
    """

    page: Page
    night: Night
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open an address of Airflow."""
        self.page.goto(self.night.url + path)
        return self.page

    def queues(self, query: str = "") -> Page:
        """Open the queue view and wait until it lists jobs."""
        page = self.go(f"/plugin/spark-queues{query}")
        expect(page.get_by_role("heading", name="Spark queues")).to_be_visible()
        return page

    def photograph(self, name: str) -> None:
        """Keep what the window shows for the documentation."""
        self.page.wait_for_timeout(600)
        IMAGES.mkdir(exist_ok=True)
        self.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")

    def violations(self, within: str) -> list[str]:
        """Return what axe finds serious or worse in our part of the page, as texts."""
        found = (
            Axe()
            .run(self.page, context={"include": [[within]], "exclude": [[NOT_OURS]]})
            .response["violations"]
        )
        return [
            f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]


@contextmanager
def open_site(directory: Path, database_url: str | None = None) -> Iterator[Night]:
    """Run a site, filled once.

    :param database_url: a SQLite file of its own by default.
    """
    with airflow_site(directory, database_url) as site:
        site.migrate()
        parsed = site.airflow("dags", "reserialize")
        assert parsed.returncode == 0, parsed.stdout + parsed.stderr
        site.start("api-server")
        site.wait_healthy()
        made = Night(site, datetime.datetime.now(datetime.UTC))
        fill(made)
        yield made


@pytest.fixture(scope="session")
def night() -> Iterator[Night]:
    """The site that most tests share; each leaves alone what another looks at."""
    directory = Path(tempfile.mkdtemp(prefix="priority-spark-ui-"))
    try:
        with open_site(directory) as made:
            yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "these tests need Debian's chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-proxy-server"],
        )
        yield started
        started.close()


@pytest.fixture
def sign_in(night, browser):
    """Return a context manager: a window of somebody who signed in on Airflow's own page."""

    @contextmanager
    def signed_in(role: str, **options) -> Iterator[Person]:
        night.lead()
        viewport = {"width": WIDTH, "height": HEIGHT}
        context = browser.new_context(viewport=viewport, timezone_id="UTC", locale="en-GB", **options)
        context.set_default_timeout(PATIENCE)
        person = Person(context.new_page(), night)
        person.page.on(
            "console", lambda said: person.complaints.append(said.text) if said.type == "error" else None
        )
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        try:
            page = person.go("/")
            page.locator("input[name=username]").fill(role)
            page.locator("input[name=password]").fill(PASSWORD)
            page.locator("button[type=submit]").click()
            page.wait_for_url(lambda url: "login" not in url)
            person.complaints.clear()  # what Airflow says while nobody is signed in yet
            yield person
        finally:
            context.close()

    expect.set_options(timeout=PATIENCE)
    return signed_in


@pytest.fixture
def admin(sign_in) -> Iterator[Person]:
    with sign_in("admin") as person:
        yield person


@pytest.fixture
def viewer(sign_in) -> Iterator[Person]:
    with sign_in("viewer") as person:
        yield person
