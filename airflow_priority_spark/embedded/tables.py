# SPDX-License-Identifier: Apache-2.0
"""Objects as the server prints them: in tables, and reduced to their metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.columns import Form
from airflow_priority_spark.embedded.objects import Object

GROUP = "meta.k8s.io/v1"


def table(form: Form, objects: Sequence[Object], metadata: Mapping[str, Any], include: str) -> dict[str, Any]:
    """Return a Table of objects.

    :param form: its columns, and how they are filled.
    :param include: ``Metadata`` (default), ``Object`` or ``None``: what each row carries besides its cells.
    """
    columns, cells = form
    rows = [_row(obj, cells(obj), include) for obj in objects]
    definitions = [
        {"name": name, "type": shape, "format": text, "description": name, "priority": priority}
        for name, shape, text, priority in columns
    ]
    head = {"kind": "Table", "apiVersion": GROUP, "metadata": dict(metadata)}
    return {**head, "columnDefinitions": definitions, "rows": rows}


def partial(obj: Object) -> dict[str, Any]:
    """Return an object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": GROUP, "metadata": obj["metadata"]}


def partial_list(objects: Iterable[Object], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of objects."""
    head = {"kind": "PartialObjectMetadataList", "apiVersion": GROUP, "metadata": dict(metadata)}
    return {**head, "items": [partial(obj) for obj in objects]}


def _row(obj: Object, cells: list[Any], include: str) -> dict[str, Any]:
    if include == "None":
        return {"cells": cells}
    return {"cells": cells, "object": obj if include == "Object" else partial(obj)}
