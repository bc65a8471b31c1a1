# SPDX-License-Identifier: Apache-2.0
"""What is built: one version, what runs and nothing else. ``make build`` installs it and tries it."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest

import airflow_priority_spark
from tests.deploy.charts import ROOT

VERSION = airflow_priority_spark.__version__


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The directory with wheel and sdist."""
    place = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return place


@pytest.fixture(scope="module")
def wheel(built):
    return zipfile.ZipFile(next(built.glob("*.whl")))


def test_the_version_stands_in_one_place_and_reaches_file_names_and_metadata(built, wheel):
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"] == ["version"]
    assert {path.name.split("-")[1].removesuffix(".tar.gz") for path in built.iterdir()} == {VERSION}
    (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    assert email.message_from_bytes(wheel.read(metadata))["Version"] == VERSION


def test_the_wheel_has_the_package_with_its_built_browser_code_and_licence_and_nothing_else(wheel):
    names = wheel.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "airflow_priority_spark",
        "airflow_provider_priority_spark",
    }
    assert "airflow_priority_spark/plugin/www/dist/main.js" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    unwanted = ("/www/src/", "node_modules", "__pycache__", ".orig", ".ts", ".tsx")
    assert [name for name in names if any(word in name for word in unwanted)] == []


def test_airflow_finds_provider_and_plugin_by_their_entry_points(wheel):
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(points).decode()
    assert "[apache_airflow_provider]" in text
    assert "[airflow.plugins]" in text


def test_the_sdist_has_what_a_wheel_is_built_from_and_no_build_products(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "LICENSE", "airflow_priority_spark/__init__.py"} <= set(names)
    unwanted = ("node_modules", "__pycache__", ".venv/", ".demo/")
    assert [name for name in names if any(word in name for word in unwanted)] == []


def test_the_changelog_has_a_place_for_this_version_or_what_comes():
    assert any(f"## [{name}]" in (ROOT / "CHANGELOG.md").read_text() for name in (VERSION, "Unreleased"))
