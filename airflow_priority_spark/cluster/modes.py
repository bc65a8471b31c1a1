# SPDX-License-Identifier: Apache-2.0
"""The capacity modes, as people write them.

What is checked (``quota``, ``quota+nodes``, or ``auto``), and what is asked besides: ``+dry-run`` lets the
API server's admission chain judge a pod of the job first, ``+placeholder`` lets pause pods find the nodes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.settings import CAPACITY_MODES

Mode = Literal["quota", "quota+nodes"]

_DRY_RUN, _PLACEHOLDER = "+dry-run", "+placeholder"


class CapacityMode(NamedTuple):
    """A mode in its parts.

    :param base: ``auto``, ``quota`` or ``quota+nodes``.
    """

    base: str
    dry_run: bool = False
    placeholders: bool = False


def parse_mode(text: str) -> CapacityMode:
    """Read a mode.

    :raises InvalidInput: naming what may be written.
    """
    if text not in CAPACITY_MODES:
        raise InvalidInput("capacity_mode", text, ", ".join(CAPACITY_MODES))
    base = text.replace(_DRY_RUN, "").replace(_PLACEHOLDER, "")
    return CapacityMode(base, _DRY_RUN in text, _PLACEHOLDER in text)
