# SPDX-License-Identifier: Apache-2.0
"""Requests about objects: reads what is asked, asks ``verbs``, writes the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from airflow_priority_spark.embedded import errors
from airflow_priority_spark.embedded.answers import Printer, reshaped, write_list, write_object
from airflow_priority_spark.embedded.columns import form_of
from airflow_priority_spark.embedded.custom_columns import custom_form
from airflow_priority_spark.embedded.disruptions import Disruptions
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.fault_gate import FaultGate
from airflow_priority_spark.embedded.kinds import METRICS_KINDS, NAMESPACES, PODS, Kind
from airflow_priority_spark.embedded.list_options import check_list_options
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.metrics import Metrics
from airflow_priority_spark.embedded.options import (
    APPLY_TYPES,
    as_told_to_patches,
    field_manager,
    is_dry_run,
    read_deletion,
    read_patch,
    read_yaml,
)
from airflow_priority_spark.embedded.pages import Page, page
from airflow_priority_spark.embedded.paths import Target
from airflow_priority_spark.embedded.podlogs import chosen_container, find_log, log_lines, no_previous_log
from airflow_priority_spark.embedded.pods import disrupted
from airflow_priority_spark.embedded.reading import patched, read_body, read_object
from airflow_priority_spark.embedded.selectors import Predicate, compile_selectors
from airflow_priority_spark.embedded.store import Record
from airflow_priority_spark.embedded.verbs import Verbs
from airflow_priority_spark.embedded.watching import DEFAULT_SECONDS, WatchRequest, watch

_COLLECTION = ("GET", "POST", "DELETE")
_OBJECT = ("GET", "PUT", "PATCH", "DELETE")
_SUBRESOURCES = {
    "status": ("GET", "PUT", "PATCH"),
    "log": ("GET",),
    "binding": ("POST",),
    "eviction": ("POST",),
}
_CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def verb_of(request: web.Request, target: Target) -> str:
    """Return what authorization calls a request; raises 405 when the path does not take it."""
    methods: Sequence[str] = _OBJECT if target.name else _COLLECTION
    if target.subresource:
        methods = _SUBRESOURCES[target.subresource]
    nowhere = target.kind.namespaced and not target.namespace
    spared = target.kind is NAMESPACES and not target.name and request.method == "DELETE"
    if request.method not in methods or (nowhere and request.method != "GET") or spared:
        raise errors.method_not_allowed()
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, "")
    if request.method == "GET":
        verb = "get" if target.name else "watch" if _wants_watch(request) else "list"
    if request.method == "DELETE":
        verb = "delete" if target.name else "deletecollection"
    if verb not in target.kind.verbs:
        raise errors.method_not_allowed()
    return verb


def facts(verb: str, target: Target, user: str) -> dict[str, str]:
    """Return what a fault may be narrowed to."""
    return {"verb": verb, "resource": target.kind.plural, "namespace": target.namespace, "user": user}


class Resources:
    """Answers requests about objects once they have been let in."""

    def __init__(self, verbs: Verbs, logs: LogBook, faults: FaultGate, metrics: Metrics) -> None:
        self._verbs = verbs
        self._metrics = metrics
        self._disruptions = Disruptions(verbs.store)
        self._logs = logs
        self._faults = faults
        self._methods: dict[str, Callable[[web.Request, Target], Awaitable[web.StreamResponse]]] = {
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    async def answer(self, request: web.Request, target: Target, user: str) -> web.StreamResponse:
        """Do what a request asks, or raise ``ApiError``."""
        if request.method != "GET":
            return await self._methods[request.method](request, target)
        if target.kind in METRICS_KINDS:
            return self._measure(request, target)
        if target.subresource == "log":
            return await self._log(request, target)
        if target.name:
            record = self._verbs.get(target.kind, target.namespace, target.name)
            return write_object(request, self._printer(target.kind), record)
        check_list_options(request.query, watching=_wants_watch(request))
        matches = _selectors(request, target.kind)
        if _wants_watch(request):
            return await self._watch(request, target, matches, user)
        found = page(self._verbs.store, target.kind, target.namespace, matches, request.query)
        return write_list(request, self._printer(target.kind), found)

    def _measure(self, request: web.Request, target: Target) -> web.Response:
        if target.name:
            return web.json_response(self._metrics.one(target))
        return web.json_response(self._metrics.all(target, _selectors(request, target.kind)))

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        record = self._verbs.get(target.kind, target.namespace, target.name)
        container = chosen_container(record.data, request.query.get("container"))
        if not record.data["spec"].get("nodeName"):
            return web.Response(status=204)
        if _flag(request, "previous"):
            raise no_previous_log(record.data, container)
        log = find_log(self._logs, record.data, container)
        return await _stream(request, log_lines(log, request.query), "text/plain")

    async def _watch(
        self, request: web.Request, target: Target, matches: Predicate, user: str
    ) -> web.StreamResponse:
        wanted = WatchRequest(
            kind=target.kind,
            namespace=target.namespace,
            matches=matches,
            version=int(request.query.get("resourceVersion") or "0"),
            bookmarks=_flag(request, "allowWatchBookmarks"),
            initial=_flag(request, "sendInitialEvents"),
            seconds=float(request.query.get("timeoutSeconds") or DEFAULT_SECONDS),
        )
        lines = self._faults.watched(
            facts("watch", target, user), watch(self._verbs.store, wanted), resumes=wanted.version != 0
        )
        return await _stream(
            request, reshaped(request, self._printer(target.kind), lines), "application/json"
        )

    async def _post(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.subresource == "binding":
            return self._bind(target, await read_body(request, "Binding"))
        if target.subresource == "eviction":
            return self._evict(request.query, target, await read_body(request, "Eviction"))
        body = await read_object(request, target.kind, self._verbs.catalog, "CreateOptions")
        dry_run = is_dry_run(request.query.getall("dryRun", []), "CreateOptions")
        record = self._verbs.create(target.kind, target.namespace, body, dry_run=dry_run)
        return write_object(request, self._printer(target.kind), record, 201)

    def _bind(self, target: Target, body: dict[str, Any]) -> web.Response:
        node = (body.get("target") or {}).get("name")
        if not node:
            raise ApiError(500, "", "target.name: Required value")
        self._verbs.bind(target.namespace, target.name, node)
        return web.json_response(_CREATED, status=201)

    def _evict(self, query: Mapping[str, str], target: Target, body: dict[str, Any]) -> web.Response:
        """Delete a pod that somebody wants off its node, if its disruption budget lets it go."""
        if (body.get("metadata") or {}).get("name", target.name) != target.name:
            raise errors.bad_request("name in URL does not match name in Eviction object")
        options = read_deletion(query, body.get("deleteOptions") or {})
        place = target.namespace, target.name
        pod = self._verbs.get(PODS, *place).data
        self._disruptions.check(pod)
        if pod["spec"].get("nodeName") and not options.dry_run:
            reason = "EvictionByEvictionAPI", "Eviction API: evicting"
            self._verbs.update(PODS, *place, lambda data: disrupted(data, *reason), status=True)
        self._verbs.delete(PODS, *place, options)
        return web.json_response(_CREATED, status=201)

    async def _put(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await read_object(request, target.kind, self._verbs.catalog, "UpdateOptions")
        record = self._verbs.replace(
            target.kind,
            target.namespace,
            target.name,
            body,
            status=target.subresource == "status",
            dry_run=is_dry_run(request.query.getall("dryRun", []), "UpdateOptions"),
            manager=field_manager(request),
        )
        return write_object(request, self._printer(target.kind), record)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        dry_run = is_dry_run(request.query.getall("dryRun", []), "PatchOptions")
        if request.content_type in APPLY_TYPES:
            return await self._apply(request, target, dry_run=dry_run)
        custom = self._verbs.is_custom(target.kind)
        mutation = await read_patch(request, target.kind, custom=custom)
        try:
            record = self._verbs.update(
                target.kind,
                target.namespace,
                target.name,
                patched(request, target.kind, self._verbs.catalog, mutation),
                status=target.subresource == "status",
                dry_run=dry_run,
                manager=field_manager(request),
            )
        except ApiError as error:
            raise as_told_to_patches(error, custom=custom) from error
        return write_object(request, self._printer(target.kind), record)

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
        return write_object(request, self._printer(target.kind), record, 201 if created else 200)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await read_body(request, "DeleteOptions") if request.body_exists else {}
        options = read_deletion(request.query, body)
        if not target.name:
            matches = _selectors(request, target.kind)
            gone = self._verbs.delete_matching(target.kind, target.namespace, matches, options)
            version = {"resourceVersion": str(self._verbs.store.version)}
            return write_list(request, self._printer(target.kind), Page(gone, version))
        record, gone_now = self._verbs.delete(target.kind, target.namespace, target.name, options)
        if target.kind is PODS or not gone_now:
            return write_object(request, self._printer(target.kind), record)
        return web.json_response(_deleted(target, record))

    def _printer(self, kind: Kind) -> Printer:
        definition = self._verbs.catalog.definition(kind)
        form = custom_form(definition.columns) if definition else form_of(kind)
        return Printer(kind, form, custom=definition is not None)


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
    uid = record.data["metadata"]["uid"]
    details = {"name": target.name, **group, "kind": target.kind.plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


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
