# SPDX-License-Identifier: Apache-2.0
"""Every error as a problem document (RFC 9457), so that a program and a person both know what to do.

Nothing of what went wrong inside is told: an unexpected error is logged with its trace and answered with
one sentence. What was refused for a reason of safety is logged, too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from airflow_priority_spark.errors import Conflict, DatabaseNotMigrated, InvalidInput, NotFound

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
#: What a client sent that must not pass, and somebody should see that it was tried.
_LOGGED: Final = frozenset({401, 403, 413, 415})
#: The same of what would have changed something: made-up ids, values that can never be right.
_LOGGED_OF_CHANGES: Final = _LOGGED | {400, 404, 405, 422}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: So much of a wrong value is given back.
_SHOWN: Final = 200


class FieldError(BaseModel):
    """A value that can never be right."""

    field: str = Field(examples=["limit"])
    value: str = Field(examples=["0"])
    allowed: str = Field(examples=["greater than or equal to 1"])


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(examples=["urn:priority-spark:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no job has the id 0198f3a0-7c1e-7b6e-9d7e-3d3e0b6f1c55"])
    instance: str = Field(examples=["/priority-spark/api/v1/jobs/0198f3a0-7c1e-7b6e-9d7e-3d3e0b6f1c55"])
    errors: list[FieldError] | None = None


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem document as the answer to a request.

    :param scope: of the request; its path names the instance.
    :param detail: a sentence that says what is wrong and what would be right.
    """
    instance = str(scope.get("path", ""))[:_SHOWN]
    method = scope.get("method")
    if status in (_LOGGED if method in _SAFE else _LOGGED_OF_CHANGES):
        log.warning("refused %s %r: %d, %r", method, instance, status, detail[:_SHOWN])
    title = HTTPStatus(status).phrase
    document = Problem(
        type=f"urn:priority-spark:problem:{title.lower().replace(' ', '-')}",
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        errors=list(errors) or None,
    )
    return JSONResponse(
        document.model_dump(exclude_none=True), status, dict(headers or {}), media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Let an app answer every error with a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(InvalidInput, _invalid_input)
    app.add_exception_handler(NotFound, _answer_with(404))
    app.add_exception_handler(Conflict, _answer_with(409))
    app.add_exception_handler(DatabaseNotMigrated, _answer_with(503))
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(Exception, _unexpected)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return problem(request.scope, error.status_code, str(error.detail), headers=headers)


def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(each) for each in error.errors()]
    first = errors[0]
    detail = f"{first.field}: {first.value} is not valid; allowed: {first.allowed}"
    return problem(request.scope, 422, detail, errors=errors)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """Put one of pydantic's errors into our words: ``Input should be greater than 0``."""
    where = [str(part) for part in error["loc"]]
    named = where[1:] if where[0] in ("query", "path", "body", "header") and len(where) > 1 else where
    allowed = str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return FieldError(
        field=".".join(named)[:_SHOWN], value=repr(error.get("input"))[:_SHOWN], allowed=allowed[:1000]
    )


def _invalid_input(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InvalidInput)
    wrong = FieldError(field=error.field, value=repr(error.value)[:_SHOWN], allowed=error.allowed)
    return problem(request.scope, 422, str(error)[:2000], errors=[wrong])


def _answer_with(status: int) -> Any:
    def answer(request: Request, error: Exception) -> JSONResponse:
        return problem(request.scope, status, str(error))

    return answer


def _database(request: Request, error: Exception) -> JSONResponse:
    log.error("the database failed at %s %r", request.method, request.url.path, exc_info=error)
    return problem(request.scope, 503, "the database does not answer as it should; try again")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error at %s %r", request.method, request.url.path, exc_info=error)
    return problem(request.scope, 500, "an unexpected error; the log of the API server has its trace")
