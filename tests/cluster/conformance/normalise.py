# SPDX-License-Identifier: Apache-2.0
"""Makes the answers of two API servers comparable: what differs between any two runs gets a placeholder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_VERSIONS = re.compile(r"(too old resource version: )\d+ \(\d+\)")
_AGE = re.compile(r"\d+(ms|s|m|h|d)(\d+(s|m|h))?")
# A generated name: the letters of apimachinery's ``pkg/util/rand``.
_GENERATED = re.compile(r"(-)[bcdfghjklmnpqrstvwxz2456789]{5}\b")
_VERSION_KEYS = ("resourceVersion", "continue")
# Ownership of fields is compared by what it does (conflicts), not by how it is written down.
_DROPPED = ("managedFields", "selfLink", "storageVersionHash")


def normalised(answer: Any, namespace: str) -> Any:
    """Return an answer with placeholders for names, identities, versions and times.

    :param namespace: the chapter's own; written ``<ns>``.
    """
    if isinstance(answer, Mapping):
        return {
            key.replace(namespace, "<ns>"): _value(key, value, namespace)
            for key, value in sorted(answer.items())
            if key not in _DROPPED
        }
    if isinstance(answer, list):
        return [normalised(item, namespace) for item in answer]
    return _text(answer, namespace) if isinstance(answer, str) else answer


def _value(key: str, value: Any, namespace: str) -> Any:
    if key in _VERSION_KEYS and isinstance(value, str):
        return "<version>" if value else ""
    if key.rpartition(".")[2] == "name" and isinstance(value, str):
        return _GENERATED.sub(r"\1<generated>", _text(value, namespace))
    if key == "columnDefinitions" and value:
        # Their descriptions are prose for people.
        return [{name: item for name, item in column.items() if name != "description"} for column in value]
    if key.rpartition(".")[2] == "cells" and value is not None:
        return [_cell(cell, namespace) for cell in value]
    return normalised(value, namespace)


def _cell(cell: Any, namespace: str) -> Any:
    return "<age>" if isinstance(cell, str) and _AGE.fullmatch(cell) else normalised(cell, namespace)


def _text(text: str, namespace: str) -> str:
    text = _TIME.sub("<time>", _UID.sub("<uid>", text.replace(namespace, "<ns>")))
    return _VERSIONS.sub(r"\1<version>", text)
