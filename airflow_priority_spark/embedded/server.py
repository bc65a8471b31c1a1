# SPDX-License-Identifier: Apache-2.0
"""The way into the Kubernetes API: who asks, what may be asked, what the server says about itself, errors."""

from __future__ import annotations

import logging
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from airflow_priority_spark.embedded.access import ANONYMOUS, Access
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.fault_gate import FaultGate
from airflow_priority_spark.embedded.kinds import NAMESPACES
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.metrics import Metrics
from airflow_priority_spark.embedded.objects import current_time
from airflow_priority_spark.embedded.reading import WARNINGS, read_body
from airflow_priority_spark.embedded.resources import Resources, facts, verb_of
from airflow_priority_spark.embedded.rights import Rights
from airflow_priority_spark.embedded.verbs import Verbs

MAX_BODY_BYTES = 3 << 20
_HEALTH_PATHS = ("/healthz", "/livez", "/readyz")
_VERSION_PATH = "/version"
_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_log = logging.getLogger(__name__)


class ApiServer:
    """One handler for every path, as the API server's own mux."""

    def __init__(
        self, verbs: Verbs, access: Access, logs: LogBook, faults: FaultGate, metrics: Metrics
    ) -> None:
        self._catalog = verbs.catalog
        self._faults = faults
        self._access = access
        access.use(Rights(verbs.store))
        self._resources = Resources(verbs, logs, faults, metrics)

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self.handle)
        application.on_response_prepare.append(_complete)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        try:
            return await self._answer(request)
        except ApiError as error:
            return web.json_response(error.status(), status=error.code, headers=_retry_after(error))
        except web.HTTPException as error:
            return _json(ApiError(error.status, error.reason, error.reason).status(), error.status)
        except ConnectionError:
            raise
        except Exception as error:
            _log.exception("%s %s", request.method, request.path_qs)
            return _json(ApiError(500, "InternalError", f"Internal error occurred: {error}").status(), 500)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path in _HEALTH_PATHS:
            return web.Response(text="ok")
        document = self._catalog.document(path)
        if path == _VERSION_PATH:
            return web.json_response(document)
        user = self._access.user(request.headers.get("Authorization"))
        user = self._access.acting_as(user, request.headers.get("Impersonate-User"))
        if user == ANONYMOUS and document is not None:
            raise ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot get path "{path}"')
        if request.method == "GET" and document is not None:
            return web.json_response(document)
        if path == _REVIEW_PATH and request.method == "POST":
            body = await read_body(request, "SelfSubjectAccessReview")
            return web.json_response(self._access.review(user, body), status=201)
        return await self._answer_about_objects(request, path, user)

    async def _answer_about_objects(self, request: web.Request, path: str, user: str) -> web.StreamResponse:
        target = self._catalog.target(path)
        if target is None and user not in self._access.tokens:
            why = f'forbidden: User "{user}" cannot {request.method.lower()} path "{path}"'
            raise ApiError(403, "Forbidden", why)
        if target is None:
            return web.Response(status=404, text="404 page not found\n")
        verb = verb_of(request, target)
        await self._faults.admit(facts(verb, target, user))
        place = target.name if target.kind is NAMESPACES else target.namespace
        self._access.check(user, verb, target.kind, place, target.name, target.subresource)
        return await self._resources.answer(request, target, user)


async def _complete(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the cluster's time, and the warnings it has earned."""
    response.headers["Date"] = format_datetime(current_time(), usegmt=True)
    for text in request.get(WARNINGS, ()):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')


def _retry_after(error: ApiError) -> dict[str, str]:
    seconds = error.details.get("retryAfterSeconds")
    return {"Retry-After": str(seconds)} if seconds else {}


def _json(body: dict[str, Any], code: int = 200) -> web.Response:
    return web.json_response(body, status=code)
