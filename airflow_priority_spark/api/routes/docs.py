# SPDX-License-Identifier: Apache-2.0
"""The description of the API as a page to read, made here: no script, nothing from the internet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .4rem; }
details { border: 1px solid #8886; border-radius: .4rem; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
"""

#: Objects within objects that an example shows.
_DEEPEST: Final = 6


@router.get("/docs", response_class=HTMLResponse)
def show_docs(request: Request) -> HTMLResponse:
    """Show every operation with its parameters, answers and examples."""
    page = "".join(_page(request.app.openapi()))
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title} API</title>"
    yield f"<style>{_STYLE}</style><main><h1>{title} API {escape(document['info']['version'])}</h1>"
    yield f"<p>{escape(document['info'].get('description', ''))}</p>"
    yield "<p>For programs: <a href='api/v1/openapi.json'>openapi.json</a></p>"
    tag = None
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            named = operation.get("tags", [""])[0]
            if named != tag:
                tag = named
                yield f"<h2>{escape(tag)}</h2>"
            yield from _operation(document, method.upper(), path, operation)
    yield "</main></html>"


def _operation(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    yield f"<details><summary><span class=method>{method}</span> <code>{escape(path)}</code></summary>"
    yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
    if operation.get("parameters"):
        yield "<table><tr><th>parameter<th>in<th>type<th>meaning"
        for parameter in operation["parameters"]:
            yield _parameter(parameter)
        yield "</table>"
    if "requestBody" in operation:
        yield "<p>Body:</p>" + _example(document, operation["requestBody"]["content"])
    yield "<table><tr><th>status<th>meaning"
    for status, answer in operation["responses"].items():
        yield f"<tr><td>{status}<td>{escape(answer['description'])}"
    yield "</table>"
    for status, answer in operation["responses"].items():
        if status.startswith("2") and answer.get("content"):
            yield _example(document, answer["content"])
    yield "</details>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter.get("schema", {})
    cells = (
        parameter["name"] + (" *" if parameter.get("required") else ""),
        parameter["in"],
        _kind(schema),
        parameter.get("description", ""),
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells)


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or schema.get("$ref", "").rpartition("/")[2])


def _example(document: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    kind, described = next(iter(content.items()))
    example = described.get("example") or _sample(document, described.get("schema", {}), 0)
    text = example if isinstance(example, str) else json.dumps(example, indent=2)
    return f"<p><code>{escape(kind)}</code></p><pre>{escape(text)}</pre>"


def _sample(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    """Make an example from those of the fields."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema and "examples" not in schema:
        return _sample(document, schema["anyOf"][0], depth)
    if schema.get("examples"):
        return schema["examples"][0]
    return schema["default"] if "default" in schema else _made_up(document, schema, depth)


def _made_up(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if "properties" in schema:
        return {name: _sample(document, each, depth + 1) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_sample(document, schema.get("items", {}), depth + 1)]
    plain = {"boolean": False, "integer": 1, "number": 1.0, "object": {}}
    instant = "2026-01-01T12:00:00Z" if schema.get("format") == "date-time" else "…"
    return plain.get(schema.get("type", ""), instant)
