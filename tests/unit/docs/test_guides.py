# SPDX-License-Identifier: Apache-2.0
"""The guides for people on call: each command is one that exists, each picture and page is there."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest
from airflow.cli.cli_parser import _add_command

from airflow_priority_spark.cli.definition import get_cli_commands
from demo.plan import ROOT

DOCS = ROOT / "docs"
PAGES = ("troubleshooting.md", "user-guide.md")
#: Named in a sentence, without what they are about.
NAMES = {"queue set", "pool set"}


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    groups = made.add_subparsers(required=True)
    for group in get_cli_commands():
        _add_command(groups, group)
    return made


def commands(page: str) -> list[str]:
    text = (DOCS / page).read_text()
    return [found.strip() for found in re.findall(r"airflow priority-spark ([^`\n#]+)", text)]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_can_be_typed(parser, page):
    typed = [command for command in commands(page) if command not in NAMES]
    assert typed
    for command in typed:
        assert parser.parse_args(["priority-spark", *shlex.split(command)]).func, command


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = DOCS / path if path else DOCS / page
        assert linked.is_file(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, (
                target
            )
