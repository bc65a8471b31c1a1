# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API over HTTP: reads requests, asks ``verbs``, writes answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from airflow_priority_spark.embedded import errors
from airflow_priority_spark.embedded.access import ANONYMOUS, Access
from airflow_priority_spark.embedded.answers import reshaped, write_list, write_object
from airflow_priority_spark.embedded.discovery import documents
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.fault_gate import FaultGate
from airflow_priority_spark.embedded.kinds import NAMESPACES, PODS, Kind
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.objects import current_time
from airflow_priority_spark.embedded.options import (
    APPLY_TYPES,
    as_told_to_patches,
    is_dry_run,
    read_body,
    read_deletion,
    read_patch,
    read_yaml,
)
from airflow_priority_spark.embedded.pages import Page, check_list_options, page
from airflow_priority_spark.embedded.paths import Paths, Target
from airflow_priority_spark.embedded.podlogs import find_log, log_lines
from airflow_priority_spark.embedded.pods import disrupted
from airflow_priority_spark.embedded.rights import Rights
from airflow_priority_spark.embedded.selectors import Predicate, compile_selectors
from airflow_priority_spark.embedded.store import Record
from airflow_priority_spark.embedded.verbs import Verbs
from airflow_priority_spark.embedded.watching import DEFAULT_SECONDS, WatchRequest, watch

MAX_BODY_BYTES = 3 << 20
_OPEN_PATHS = ("/version", "/healthz", "/livez", "/readyz")
_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_log = logging.getLogger(__name__)


class ApiServer:
    """One handler for every path, as the API server's own mux."""

    def __init__(
        self, verbs: Verbs, kinds: Iterable[Kind], access: Access, logs: LogBook, faults: FaultGate
    ) -> None:
        self._verbs = verbs
        self._faults = faults
        self._access = access
        access.use(Rights(verbs.store))
        self._logs = logs
        self._paths = Paths(kinds)
        self._documents = documents(kinds)
        self._methods: dict[str, Callable[[web.Request, Target], Awaitable[web.StreamResponse]]] = {
            "GET": self._get,
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self.handle)
        application.on_response_prepare.append(_date)
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
        if path in _OPEN_PATHS[1:]:
            return web.Response(text="ok")
        if path == _OPEN_PATHS[0]:
            return web.json_response(self._documents[path])
        user = self._access.user(request.headers.get("Authorization"))
        user = self._access.acting_as(user, request.headers.get("Impersonate-User"))
        if user == ANONYMOUS and path in self._documents:
            raise ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot get path "{path}"')
        if request.method == "GET" and path in self._documents:
            return web.json_response(self._documents[path])
        if path == _REVIEW_PATH and request.method == "POST":
            return web.json_response(self._access.review(user, await read_body(request)), status=201)
        target = self._paths.target(path)
        if target is None and user not in self._access.tokens:
            why = f'forbidden: User "{user}" cannot {request.method.lower()} path "{path}"'
            raise ApiError(403, "Forbidden", why)
        if target is None:
            return web.Response(status=404, text="404 page not found\n")
        verb = _verb(request, target)
        await self._faults.admit(_facts(verb, target, user))
        place = target.name if target.kind is NAMESPACES else target.namespace
        self._access.check(user, verb, target.kind, place, target.name, target.subresource)
        return await self._methods[request.method](request, target)

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.subresource == "log":
            record = self._verbs.get(target.kind, target.namespace, target.name)
            if not record.data["spec"].get("nodeName"):
                return web.Response(status=204)
            log = find_log(self._logs, record.data, request.query.get("container"))
            return await _stream(request, log_lines(log, request.query), "text/plain")
        if target.name:
            record = self._verbs.get(target.kind, target.namespace, target.name)
            return write_object(request, target.kind, record)
        check_list_options(request.query)
        matches = _selectors(request, target.kind)
        if _wants_watch(request):
            return await self._watch(request, target, matches)
        found = page(self._verbs.store, target.kind, target.namespace, matches, request.query)
        return write_list(request, target.kind, found)

    async def _watch(self, request: web.Request, target: Target, matches: Predicate) -> web.StreamResponse:
        version = request.query.get("resourceVersion") or "0"
        wanted = WatchRequest(
            kind=target.kind,
            namespace=target.namespace,
            matches=matches,
            version=int(version),
            bookmarks=_flag(request, "allowWatchBookmarks"),
            initial=_flag(request, "sendInitialEvents"),
            seconds=float(request.query.get("timeoutSeconds") or DEFAULT_SECONDS),
        )
        user = self._access.user(request.headers.get("Authorization"))
        lines = self._faults.watched(
            _facts("watch", target, user), watch(self._verbs.store, wanted), resumes=wanted.version != 0
        )
        return await _stream(request, reshaped(request, target.kind, lines), "application/json")

    async def _post(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await read_body(request)
        if target.subresource == "binding" or body.get("kind") == "Binding":
            return self._bind(target, body)
        if target.subresource == "eviction":
            return self._evict(target, body)
        if target.name or (target.kind.namespaced and not target.namespace):
            raise errors.method_not_allowed()
        dry_run = is_dry_run(request.query.getall("dryRun", []), "CreateOptions")
        strict = request.query.get("fieldValidation") == "Strict"
        record = self._verbs.create(target.kind, target.namespace, body, dry_run=dry_run, strict=strict)
        return write_object(request, target.kind, record, 201)

    def _bind(self, target: Target, body: dict[str, Any]) -> web.Response:
        node = (body.get("target") or {}).get("name")
        if not node:
            raise ApiError(500, "", "target.name: Required value")
        self._verbs.bind(target.namespace, target.name or body["metadata"]["name"], node)
        return _created()

    def _evict(self, target: Target, body: dict[str, Any]) -> web.Response:
        """Delete a pod that somebody wants off its node; disruption budgets are not enforced."""
        options = read_deletion({}, body.get("deleteOptions") or {})
        place = target.namespace, target.name
        if self._verbs.get(PODS, *place).data["spec"].get("nodeName") and not options.dry_run:
            reason = "EvictionByEvictionAPI", "Eviction API: evicting"
            self._verbs.update(PODS, *place, lambda data: disrupted(data, *reason), status=True)
        self._verbs.delete(PODS, *place, options)
        return _created()

    async def _put(self, request: web.Request, target: Target) -> web.StreamResponse:
        _require_object(target)
        body = await read_body(request)
        record = self._verbs.replace(
            target.kind,
            target.namespace,
            target.name,
            body,
            status=target.subresource == "status",
            dry_run=is_dry_run(request.query.getall("dryRun", []), "UpdateOptions"),
        )
        return write_object(request, target.kind, record)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        _require_object(target)
        dry_run = is_dry_run(request.query.getall("dryRun", []), "PatchOptions")
        if request.content_type in APPLY_TYPES:
            return await self._apply(request, target, dry_run=dry_run)
        mutation = await read_patch(request, custom=target.kind in self._verbs.schemas)
        try:
            record = self._verbs.update(
                target.kind,
                target.namespace,
                target.name,
                mutation,
                status=target.subresource == "status",
                dry_run=dry_run,
            )
        except ApiError as error:
            raise as_told_to_patches(error, custom=target.kind in self._verbs.schemas) from error
        return write_object(request, target.kind, record)

    async def _apply(self, request: web.Request, target: Target, *, dry_run: bool) -> web.StreamResponse:
        applied = await read_yaml(request)
        record, created = self._verbs.apply(
            target.kind,
            target.namespace,
            target.name,
            applied,
            manager=request.query.get("fieldManager", ""),
            force=_flag(request, "force"),
            status=target.subresource == "status",
            dry_run=dry_run,
        )
        return write_object(request, target.kind, record, 201 if created else 200)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = read_deletion(request.query, await read_body(request))
        if not target.name:
            matches = _selectors(request, target.kind)
            gone = self._verbs.delete_matching(target.kind, target.namespace, matches, options)
            version = {"resourceVersion": str(self._verbs.store.version)}
            return write_list(request, target.kind, Page(gone, version))
        record, gone_now = self._verbs.delete(target.kind, target.namespace, target.name, options)
        if target.kind is PODS or not gone_now:
            return write_object(request, target.kind, record)
        return _json(_deleted(target, record))


async def _date(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Date"] = format_datetime(current_time(), usegmt=True)


def _verb(request: web.Request, target: Target) -> str:
    if request.method == "GET":
        return "get" if target.name else "watch" if _wants_watch(request) else "list"
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch"}
    verbs["DELETE"] = "delete" if target.name else "deletecollection"
    if request.method not in verbs:
        raise errors.method_not_allowed()
    return verbs[request.method]


def _facts(verb: str, target: Target, user: str) -> dict[str, str]:
    """Return what a fault may be narrowed to."""
    return {"verb": verb, "resource": target.kind.plural, "namespace": target.namespace, "user": user}


def _retry_after(error: ApiError) -> dict[str, str]:
    seconds = error.details.get("retryAfterSeconds")
    return {"Retry-After": str(seconds)} if seconds else {}


def _require_object(target: Target) -> None:
    if not target.name:
        raise errors.method_not_allowed()


def _wants_watch(request: web.Request) -> bool:
    return _flag(request, "watch")


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("true", "1")


def _selectors(request: web.Request, kind: Kind) -> Predicate:
    return compile_selectors(
        kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    )


def _deleted(target: Target, record: Record) -> dict[str, Any]:
    group = {"group": target.kind.group} if target.kind.group else {}
    details = {
        "name": target.name,
        **group,
        "kind": target.kind.plural,
        "uid": record.data["metadata"]["uid"],
    }
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _created() -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return web.json_response(status, status=201)


def _json(body: dict[str, Any], code: int = 200) -> web.Response:
    return web.json_response(body, status=code)


async def _stream(request: web.Request, lines: AsyncIterator[bytes], content_type: str) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"}
    )
    await response.prepare(request)
    try:
        async for line in lines:
            await response.write(line)
    except ConnectionError:
        return response
    await response.write_eof()
    return response
