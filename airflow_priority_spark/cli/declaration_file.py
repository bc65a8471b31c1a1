# SPDX-License-Identifier: Apache-2.0
"""The declarative file: from text to what it declares, or to every line that is wrong."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airflow_priority_spark.arbiter.configuration import Declaration, allowed, found
from airflow_priority_spark.cli.marked_yaml import MarkedDocument, Path, read_marked
from airflow_priority_spark.errors import InvalidFile


def read_declaration(text: str, name: str) -> Declaration:
    """Read a declarative file.

    :param text: YAML; an empty one declares nothing.
    :param name: of the file, for the error.
    :raises InvalidFile: naming every wrong line with the key, its value and what is allowed.
    """
    document = read_marked(text, name)
    if document.data is None:
        return Declaration()
    try:
        declaration = Declaration.model_validate(document.data)
    except ValidationError as error:
        raise InvalidFile(name, [_fault(document, fault) for fault in error.errors()]) from None
    if twice := list(_twice(document, declaration)):
        raise InvalidFile(name, twice)
    return declaration


def _fault(document: MarkedDocument, fault: ErrorDetails) -> tuple[int, str]:
    path, value = found(fault)
    where = _readable(path)
    line = document.line(path)
    phrase = allowed(Declaration, fault)
    match fault["type"]:
        case "extra_forbidden":
            return line, f"{where}: unknown key; allowed: {phrase.removeprefix('the keys ')}"
        case "missing":
            return line, f"{where}: missing"
        case _:
            return line, f"{where}: {value!r} is not valid; allowed: {phrase}"


def _readable(path: Path) -> str:
    """Say a path as people write it: ``queues[0].pools.high.weight``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"


def _twice(document: MarkedDocument, declaration: Declaration) -> Iterator[tuple[int, str]]:
    """Find queues and clusters that are declared a second time."""
    named: dict[str, list[Hashable]] = {
        "queues": [(queue.cluster, queue.namespace) for queue in declaration.queues or ()],
        "clusters": [cluster.name for cluster in declaration.clusters or ()],
    }
    for part, names in named.items():
        for number, name in enumerate(names):
            if name in names[:number]:
                first = document.line((part, names.index(name)))
                line = document.line((part, number))
                yield line, f"{part}[{number}]: declared already in line {first}"
