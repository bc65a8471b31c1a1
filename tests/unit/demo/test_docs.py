# SPDX-License-Identifier: Apache-2.0
"""What the documents say about the code must be so."""

from __future__ import annotations

import importlib.util
import re

import pytest

from demo.plan import DAGS, ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"


def test_the_dag_of_the_readme_is_the_one_that_the_demo_runs():
    found = re.search(r"<!-- dag -->\n```python\n(.*?)```\n", (ROOT / "README.md").read_text(), re.DOTALL)
    code = (DAGS / "word_count.py").read_text().removeprefix(LICENCE)
    assert found
    assert found[1] == code
    assert len(code.splitlines()) <= 11


def test_the_configuration_page_is_what_the_settings_say():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text() == generate.page(), "run: .venv/bin/python docs/generate.py"


def test_the_architecture_names_every_room_and_no_other():
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.parent.name for path in (ROOT / "airflow_priority_spark").glob("*/__init__.py")}
    table = text.partition("## Rooms")[2].partition("\n\n`settings.py`")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("|")]
    assert set(re.findall(r"`(\w+)/`", " ".join(first_cells))) - {"airflow_priority_spark"} == rooms


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_to_a_file(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_of_a_document_exists(document):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", document.read_text(), re.MULTILINE))
    assert named <= targets
