# SPDX-License-Identifier: Apache-2.0
"""YAML whose every value knows the line it was written on.

A file of settings is edited by hand; "unknown key in line 12" is mended in seconds, "unknown key" is
searched for. Read strictly on purpose: a key that is written twice would silently lose one of its
values, and merge keys would make the line of a value a matter of opinion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from airflow_priority_spark.errors import InvalidFile

#: Where a value stands: keys of mappings and indices of lists from the top.
Path = tuple[str | int, ...]

#: No file of ours is deeper; deeper ones would only exhaust the stack.
_MAX_DEPTH: Final = 20
#: Nor longer; aliases of aliases could grow without end.
_MAX_VALUES: Final = 200_000
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """A document and the lines of its values.

    :param lines: path → line of its key (of the item itself in a list), from 1.
    """

    data: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the nearest that stands around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_marked(text: str, name: str) -> MarkedDocument:
    """Read one YAML document; an empty one is ``None``.

    :param name: of the file, for the error.
    :raises InvalidFile: with the line of what is wrong.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        reader = _Reader(loader, name)
        data = reader.read(node, ()) if node is not None else None
        return MarkedDocument(data, reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise InvalidFile(name, [(mark.line + 1 if mark else 1, f"not YAML: {what}")]) from None
    except yaml.YAMLError as error:
        raise InvalidFile(name, [(1, f"not YAML: {error}")]) from None
    finally:
        loader.dispose()


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self._loader, self._name = loader, name
        self.lines: dict[Path, int] = {}
        self._values = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.lines.setdefault(path, _line(node))
        self._values += 1
        if self._values > _MAX_VALUES:
            raise self._wrong(node, f"more than {_MAX_VALUES} values")
        if len(path) > _MAX_DEPTH:
            raise self._wrong(node, f"nested deeper than {_MAX_DEPTH} levels")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        return self._loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._wrong(key_node, "a key must be a plain text")
            if key_node.tag == _MERGE:
                raise self._wrong(key_node, "merge keys (<<) are not read here; write the keys out")
            # ``on: …`` and ``1: …`` are no texts to YAML, but they are to whoever wrote them.
            key = str(key_node.value)
            if key in found:
                first = self.lines[*path, key]
                raise self._wrong(key_node, f"the key {key!r} stands here twice, first in line {first}")
            self.lines[*path, key] = _line(key_node)
            found[key] = self.read(value_node, (*path, key))
        return found

    def _wrong(self, node: yaml.Node, what: str) -> InvalidFile:
        return InvalidFile(self._name, [(_line(node), what)])


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
