# SPDX-License-Identifier: Apache-2.0
"""Whatever the API's description allows, and much that it does not: no 500, no undescribed answer."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

#: Examples of each operation; ``make test-api`` tries more.
EXAMPLES = int(os.environ.get("API_EXAMPLES", "3"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCRIPT = "<script>alert(1)</script>'; DROP TABLE priority_spark_job; --"
DESCRIPTION = "/priority-spark/api/v1/openapi.json"


@pytest.fixture
def database_kind():
    return "sqlite"


def _beyond_us(case) -> bool:
    """Tell whether Airflow's own server answers: a path with a line break reaches no mounted app."""
    return "%0A" in case.formatted_path


def _answers(operation, site, mode) -> str:
    """Try one operation; return what was wrong with an answer, empty when nothing was."""
    headers = {"Authorization": f"Bearer {site.tokens['admin']}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def tried(case):
        assume(not _beyond_us(case))
        answer = case.call(base_url="http://testserver/priority-spark", headers=headers)
        case.validate_response(answer, checks=CHECKS)

    try:
        tried()
    except (FailureGroup, AssertionError) as wrong:
        return f"{operation.label}: {wrong}"
    return ""


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(site, mode):
    site.job(task_id="first", reason=SCRIPT)
    site.job(task_id="second", map_index=3, user="alice", verdict=None)
    # A stream that is as it should be does not end; its own tests read from it.
    schema = schemathesis.openapi.from_asgi(DESCRIPTION, site.host).exclude(path_regex="/stream$")

    wrong = [_answers(found.ok(), site, mode) for found in schema.get_all_operations()]

    assert not (said := "\n\n".join(filter(None, wrong))), said
    assert len(wrong) > 10
