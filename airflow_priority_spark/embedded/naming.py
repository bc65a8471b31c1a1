# SPDX-License-Identifier: Apache-2.0
"""Names, labels and keys: what may be one, and the API server's sentence when it may not.

Source: apimachinery ``pkg/util/validation/validation.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import Cause, invalid
from airflow_priority_spark.embedded.kinds import NAMESPACES, SERVICES, Kind

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_NAME_RULES = {NAMESPACES: (_LABEL, 63, LABEL_TEXT), SERVICES: (_LABEL, 63, LABEL_TEXT)}
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_NAME_PART = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    f"for validation is '({_QUALIFIED})?')"
)
CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def check_name(kind: Kind, name: str) -> None:
    """Raise ``ApiError`` 422 when an object of this kind cannot have this name."""
    if not name:
        cause = ("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")
        raise invalid(kind, "", [cause])
    pattern, length, text = _NAME_RULES.get(kind, (_SUBDOMAIN, 253, _SUBDOMAIN_TEXT))
    if len(name) > length:
        text = f"must be no more than {length} characters"
    elif kind is NAMESPACES and "." in name:
        text = "must not contain dots"
    elif re.fullmatch(pattern, name):
        return
    raise invalid(kind, name, [("metadata.name", f'Invalid value: "{name}": {text}', "FieldValueInvalid")])


def is_label(name: str) -> bool:
    """Whether a text is an RFC 1123 label, as containers and volumes are named."""
    return len(name) <= 63 and re.fullmatch(_LABEL, name) is not None


def key_faults(key: str) -> list[str]:
    """Return what is wrong with the key of a label, in the API server's words."""
    prefix, slash, name = key.rpartition("/")
    if slash and "/" in prefix:
        return [
            f"a valid label key {_NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. "
            "'example.com/MyName')"
        ]
    found = []
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        found.append(f"prefix part {_SUBDOMAIN_TEXT}")
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append("name part must be no more than 63 characters")
    if not re.fullmatch(_QUALIFIED, name):
        found.append(f"name part {_NAME_PART}")
    return found


def value_faults(value: str) -> list[str]:
    """Return what is wrong with the value of a label."""
    if len(value) > 63:
        return ["must be no more than 63 characters"]
    return [] if re.fullmatch(f"({_QUALIFIED})?", value) else [_VALUE_TEXT]


def label_causes(field: str, labels: Mapping[str, Any] | None) -> list[Cause]:
    """Return the causes for labels, selectors and annotations' keys that are none."""
    causes: list[Cause] = []
    for key, value in (labels or {}).items():
        texts = [(key, text) for text in key_faults(key)] + [
            (value, text) for text in value_faults(str(value))
        ]
        causes += [(field, f'Invalid value: "{shown}": {text}', "FieldValueInvalid") for shown, text in texts]
    return causes
