# SPDX-License-Identifier: Apache-2.0
"""The embedded cluster answers as a real control plane did when its answers were recorded."""

import json

import pytest

from tests.cluster.conformance.__main__ import RECORDED
from tests.cluster.conformance.chapters import CHAPTERS
from tests.cluster.conformance.comparison import acceptances, differences
from tests.cluster.conformance.runner import Server

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def server(start_cluster):
    return Server(start_cluster(bare=True).kubeconfig)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_answers_of_a_chapter_are_those_recorded(server, chapter):
    recorded = json.loads((RECORDED / f"{chapter}.json").read_text())

    found, _ = differences(recorded["answers"], server.perform(CHAPTERS[chapter]), acceptances())

    assert recorded["kubernetes"] == "1.36"
    assert not found, "\n" + "\n".join(map(str, found))
