# SPDX-License-Identifier: Apache-2.0
"""The API's description: what every operation may answer besides what it is for.

FastAPI describes what a route returns; the refusals come from the guard, the auth manager and the handlers
of errors, the same for all. They are added here, once, to what FastAPI wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from airflow_priority_spark.api.problems import MEDIA_TYPE, Problem

DESCRIPTION: Final = (
    "The queues of Spark jobs: what waits, on what, behind whom; and what mends it. "
    "Authentication is Airflow's: the session of a signed-in browser, or `Authorization: Bearer` with a "
    "token from `POST /auth/token`. Jobs of DAGs that you may not read are counted, never shown."
)

_EVERYWHERE: Final = {
    401: "No token, or one that has expired.",
    403: "A token that is not valid, or a right that is missing.",
    413: "The body is too large.",
    503: "The tables are missing or of another version, or the database does not answer.",
}
_WITH_INPUT: Final = {
    422: "A value that can never be right; `errors` names field, value and what is allowed."
}
_ON_ONE: Final = {404: "There is no such thing, or you may not know of it."}
_CHANGING: Final = {
    400: "The body is no text in UTF-8.",
    409: "Not as things stand.",
    415: "The body is no JSON.",
}


def install(app: FastAPI) -> None:
    """Let an app describe itself in full."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(described.pop("$defs", {}))
    schemas["Problem"] = described
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _add_refusals(path, method, operation)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _add_refusals(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    refusals = dict(_EVERYWHERE)
    if operation.get("parameters") or "requestBody" in operation:
        refusals |= _WITH_INPUT
    if "{" in path:
        refusals |= _ON_ONE
    if method not in ("get", "head"):
        refusals |= _CHANGING
    for status, description in refusals.items():
        answers.setdefault(str(status), _answer(description, method))


def _answer(description: str, method: str) -> Mapping[str, Any]:
    if method == "head":
        return {"description": description}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
