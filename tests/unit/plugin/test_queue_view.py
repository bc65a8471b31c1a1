# SPDX-License-Identifier: Apache-2.0
"""The queue view in the Airflow UI: where it is registered, and how its built bundle is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from airflow_priority_spark.plugin.bundle import DIRECTORY, static_files
from airflow_priority_spark.plugin.react_apps import NAMES, STATIC, react_apps

WWW = DIRECTORY.parent


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[Mount("/", static_files())]))


def test_the_bundle_is_smaller_than_250_kb():
    assert (DIRECTORY / "main.js").stat().st_size < 250_000


def test_airflow_accepts_each_place_of_the_view():
    from airflow.api_fastapi.core_api.datamodels.plugins import ReactAppResponse

    apps = [ReactAppResponse.model_validate(app) for app in react_apps()]
    assert {app.destination for app in apps} == {"nav", "task_instance", "dag_run", "dag"}
    assert len({app.url_route for app in apps}) == len(apps), "Airflow drops an app whose route is taken"


def test_the_bundle_sets_the_globals_in_which_airflow_looks_for_it():
    source = (WWW / "src" / "main.tsx").read_text()
    (names,) = re.findall(r"APP_NAMES = \[(.*?)\]", source)
    assert {name.strip(' "') for name in names.split(",")} == set(NAMES.values())
    assert all(f'"{name}"' in (DIRECTORY / "main.js").read_text() for name in NAMES.values())


@pytest.mark.parametrize("key", ["bundle_url", "icon", "icon_dark_mode"])
def test_what_is_registered_is_served_and_found_below_any_base_address(client, key):
    for app in react_apps():
        assert not app[key].startswith(("/", "http")), "resolved against the base address of the page"
        path = app[key].removeprefix(STATIC)
        assert client.get(path).status_code == 200


def test_the_bundle_is_served_as_javascript_whatever_the_machine_thinks(client, monkeypatch):
    monkeypatch.setattr("mimetypes.guess_type", lambda *_: ("text/plain", None))
    answer = client.get("/main.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_a_browser_that_has_the_bundle_is_not_sent_it_again(client):
    tag = client.get("/main.js").headers["etag"]
    assert client.get("/main.js", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("path", ["/../src/main.tsx", "/%2e%2e/src/main.tsx", "/nothing.js"])
def test_nothing_beside_the_bundle_is_served(client, path):
    assert client.get(path).status_code == 404


def test_sources_name_their_licence():
    sources = [path for folder in ("src", "tests") for path in (WWW / folder).rglob("*.ts*")]
    assert sources
    missing = [
        str(path.relative_to(WWW)) for path in sources if "SPDX-License-Identifier" not in _first_line(path)
    ]
    assert not missing


def _first_line(path: Path) -> str:
    return path.read_text().partition("\n")[0]


def test_the_wheel_has_the_bundle_and_not_its_sources():
    from hatchling.builders.wheel import WheelBuilder

    files = {file.distribution_path for file in WheelBuilder(str(WWW.parents[2])).recurse_included_files()}
    of_view = {path for path in files if "/www/" in path}
    assert of_view == {f"airflow_priority_spark/plugin/www/dist/{path.name}" for path in DIRECTORY.iterdir()}
