# SPDX-License-Identifier: Apache-2.0
"""The embedded cluster answers as a real control plane did when its answers were recorded."""

import functools
import json

import pytest

from tests.cluster.conformance.__main__ import RECORDED
from tests.cluster.conformance.chapters import CHAPTERS
from tests.cluster.conformance.comparison import acceptances, differences
from tests.cluster.conformance.runner import Server

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def compare(start_cluster):
    """A function that compares a chapter once; returns what differs, and which acceptances it needs."""
    server = Server(start_cluster(bare=True).kubeconfig)

    @functools.cache
    def compared(chapter):
        recorded = json.loads((RECORDED / f"{chapter}.json").read_text())
        assert recorded["kubernetes"] == "1.36"
        return differences(recorded["answers"], server.perform(CHAPTERS[chapter]), acceptances())

    return compared


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_answers_of_a_chapter_are_those_recorded(compare, chapter):
    found, _ = compare(chapter)

    assert not found, "\n" + "\n".join(map(str, found))


def test_every_accepted_difference_is_still_one(compare):
    needed = set().union(*(compare(chapter)[1] for chapter in CHAPTERS))

    assert set(acceptances()) - needed == set()


def test_every_verb_patch_and_error_the_project_depends_on_is_asked_for():
    requests = [request for chapter in CHAPTERS.values() for request in chapter if request.compared]
    recorded = [json.loads((RECORDED / f"{chapter}.json").read_text())["answers"] for chapter in CHAPTERS]
    codes = {str(value) for answers in recorded for answer in answers.values() for value in codes_of(answer)}

    assert len(requests) >= 150
    assert {request.method for request in requests} >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert {request.content_type.rpartition("/")[2] for request in requests if request.method == "PATCH"} >= {
        "merge-patch+json",
        "strategic-merge-patch+json",
        "json-patch+json",
        "apply-patch+yaml",
    }
    assert codes >= {"400", "401", "403", "404", "405", "406", "409", "410", "413", "415", "422", "429"}


def codes_of(answer):
    """Yield the status of an answer, and those of the errors within a watch."""
    yield answer["code"]
    events = answer["body"] if isinstance(answer["body"], list) else [answer["body"]]
    for event in events:
        if isinstance(event, dict) and event.get("type") == "ERROR":
            yield event["object"]["code"]
