# SPDX-License-Identifier: Apache-2.0
"""Writes objects and lists in the form a client accepts: whole, as a table, or their metadata alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_priority_spark.embedded import tables
from airflow_priority_spark.embedded.columns import Form
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.pages import Page
from airflow_priority_spark.embedded.store import Record

Data = dict[str, Any]
_TYPES = ("application/json", "application/*", "*/*", "application/yaml")
_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_UNACCEPTABLE = (
    "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
    "application/vnd.kubernetes.protobuf;stream=watch"
)


def wanted_form(request: web.Request) -> str:
    """Return ``Table``, ``PartialObjectMetadata``, ``PartialObjectMetadataList`` or nothing; raises 406."""
    accepted = request.headers.get("Accept", "") or "*/*"
    for choice in accepted.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media in _TYPES:
            values = dict(part.split("=", 1) for part in parameters if "=" in part)
            form = values.get("as", "")
            if form and (form not in _FORMS or (values.get("g"), values.get("v")) != ("meta.k8s.io", "v1")):
                continue
            return form
    raise ApiError(406, "NotAcceptable", _UNACCEPTABLE)


@dataclass(frozen=True)
class Printer:
    """How objects of a kind are shown.

    :param custom: whether a definition describes the kind.
    """

    kind: Kind
    form: Form
    custom: bool


def write_object(request: web.Request, printer: Printer, record: Record, code: int = 200) -> web.Response:
    """Answer with an object."""
    form = wanted_form(request)
    if form == "Table":
        metadata = {"resourceVersion": record.data["metadata"].get("resourceVersion", "")}
        include = request.query.get("includeObject", "Metadata")
        return web.json_response(tables.table(printer.form, [record.data], metadata, include), status=code)
    if form:
        return web.json_response(tables.partial(record.data), status=code)
    return web.Response(body=record.encoded, status=code, content_type="application/json")


def write_list(request: web.Request, printer: Printer, page: Page) -> web.Response:
    """Answer with a list."""
    form = wanted_form(request)
    objects = [record.data for record in page.records]
    if form == "Table":
        include = request.query.get("includeObject", "Metadata")
        return web.json_response(tables.table(printer.form, objects, page.metadata, include))
    if form:
        return web.json_response(tables.partial_list(objects, page.metadata))
    kind = printer.kind
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": page.metadata}
    items = b",".join(_item(printer, record) for record in page.records)
    body = json.dumps(head)[:-1].encode() + b',"items":[' + items + b"]}"
    return web.Response(body=body, content_type="application/json")


def _item(printer: Printer, record: Record) -> bytes:
    """Return an object as a list holds it: the items of a built-in kind do not say what they are."""
    kind = printer.kind
    names = f'{{"apiVersion":"{kind.api_version}","kind":"{kind.kind}",'.encode()
    if printer.custom or not record.encoded.startswith(names):
        return record.encoded
    return b"{" + record.encoded[len(names) :]


async def reshaped(
    request: web.Request, printer: Printer, lines: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Rewrite the lines of a watch in the form the client accepts."""
    form = wanted_form(request)
    include = request.query.get("includeObject", "Metadata")
    first = True
    async for line in lines:
        if not form:
            yield line
            continue
        event = json.loads(line)
        if event["type"] != "ERROR":
            event["object"] = _reshaped(printer.form, event["object"], form, include, first=first)
            first = False
        yield json.dumps(event).encode() + b"\n"


def _reshaped(columns: Form, obj: Data, form: str, include: str, *, first: bool) -> Data:
    if form != "Table":
        return tables.partial(obj)
    if "creationTimestamp" not in obj["metadata"] or obj["metadata"]["creationTimestamp"] is None:
        shown = tables.table(columns, [], obj["metadata"], include)
    else:
        version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        shown = tables.table(columns, [obj], version, include)
    # The columns are told once.
    return shown if first else {**shown, "columnDefinitions": None}
