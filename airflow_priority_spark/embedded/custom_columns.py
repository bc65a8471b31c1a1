# SPDX-License-Identifier: Apache-2.0
"""The columns that a definition gives its kind (``additionalPrinterColumns``).

Their values are found by simple JSON paths: fields, list positions and ``[?(@.key=="value")]``. Source:
apiextensions-apiserver ``pkg/registry/customresource/tableconvertor``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.ages import age
from airflow_priority_spark.embedded.columns import Column, Form
from airflow_priority_spark.embedded.objects import Object

_STEP = re.compile(r"""\.?([^.\[\]]+)|\[(\d+)\]|\[\?\(@\.([^=]+)==["']([^"']*)["']\)\]""")
_AGE: tuple[Mapping[str, Any], ...] = (
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)


def custom_form(columns: Sequence[Mapping[str, Any]]) -> Form:
    """Return the columns of a custom kind: its name, then what its definition says, or its age."""
    told = columns or _AGE
    named: list[Column] = [("Name", "string", "name", 0)]
    named += [(one["name"], one["type"], one.get("format", ""), one.get("priority", 0)) for one in told]

    def cells(obj: Object) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(one["type"], found(obj, one["jsonPath"])) for one in told)]

    return named, cells


def found(value: Any, path: str) -> Any:
    """Return the value at a JSON path, or ``None``."""
    for name, position, key, wanted in _STEP.findall(path):
        if name:
            value = value.get(name) if isinstance(value, Mapping) else None
        elif not isinstance(value, list):
            return None
        elif position:
            value = value[int(position)] if int(position) < len(value) else None
        else:
            value = next((item for item in value if str(item.get(key)) == wanted), None)
    return value


def _cell(shape: str, value: Any) -> Any:
    if shape == "date":
        return age(value) if isinstance(value, str) else None
    if shape == "string":
        return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)
    return value if isinstance(value, _TYPES.get(shape, ())) else None


_TYPES: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
