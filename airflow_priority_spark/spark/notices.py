# SPDX-License-Identifier: Apache-2.0
"""Who is told of what becomes of a job: notices, and names of notifiers that the site has configured.

A task carries names only. The notifiers themselves, with whatever address or token they need, stand in the
site's configuration: what a task hands to the queue lies in the database in clear.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_priority_spark.errors import InvalidRequest

NOTICES: Final = ("blocked", "late", "cancelled", "starved", "requeued")
#: Notice → names of notifiers, as pairs, so that a request stays hashable.
Attached = tuple[tuple[str, tuple[str, ...]], ...]
_MOST: Final = 20
_ALLOWED: Final = f"names of notifiers, or an object {{notice: names}} with notices {', '.join(NOTICES)}"


def attached(value: Any, field: str = "notify") -> Attached:
    """Read ``"chat"``, ``["chat", "mail"]`` (all notices) or ``{"late": ["chat"]}``.

    :raises InvalidRequest: naming the field.
    """
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        return tuple((notice, _names(value, field)) for notice in NOTICES)
    for notice in value:
        if notice not in NOTICES:
            raise InvalidRequest(field, notice, ", ".join(NOTICES))
    return tuple(
        (notice, _names(value[notice], f"{field}.{notice}")) for notice in NOTICES if notice in value
    )


def _names(value: Any, field: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not 0 < len(names) <= _MOST:
        raise InvalidRequest(field, value, _ALLOWED)
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= 100:
            raise InvalidRequest(field, name, _ALLOWED)
    return tuple(names)
