# SPDX-License-Identifier: Apache-2.0
"""Spark memory strings, which look like Kubernetes quantities and are not.

``512m`` is 512 MiB to Spark and half a byte to Kubernetes; ``4Gi`` is a quantity and no memory
string. Mixing the two up has cost others their numbers, so the two parsers share nothing.

Source: ``JavaUtils.byteStringAs`` (Spark, ``common/utils/.../network/util/JavaUtils.java``): a whole
number, an optional suffix, upper or lower case, powers of 1024; fractions are refused.
"""

from __future__ import annotations

import re
from typing import Final

from airflow_priority_spark.errors import InvalidMemoryString

KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30

_PATTERN: Final = re.compile(r"([0-9]+)([a-z]+)?")
_SUFFIXES: Final = {
    "b": 1,
    "k": KIB,
    "kb": KIB,
    "m": MIB,
    "mb": MIB,
    "g": GIB,
    "gb": GIB,
    "t": 2**40,
    "tb": 2**40,
    "p": 2**50,
    "pb": 2**50,
}
_UNIT_NAMES: Final = {1: "bytes", KIB: "KiB", MIB: "MiB"}


def parse_memory(text: str | int, field: str, *, unit: int = MIB) -> int:
    """Return a Spark memory string in bytes.

    :param text: e.g. ``"512m"``, ``"4g"``, ``"1024"``.
    :param field: where it was found, for the error.
    :param unit: bytes that a number without suffix counts: MiB for memory and overhead, 1 for off-heap.
    :raises InvalidMemoryString: naming the field, the value and what is allowed.
    """
    match = None if isinstance(text, bool) else _PATTERN.fullmatch(str(text).strip().lower())
    suffix = match[2] if match else None
    if match is None or (suffix is not None and suffix not in _SUFFIXES):
        raise InvalidMemoryString(
            field,
            text,
            "a whole number with one of the suffixes b, k, m, g, t, p, such as 512m or 4g "
            f"(no fraction, no Mi or Gi; without a suffix it counts {_UNIT_NAMES[unit]})",
        )
    return int(match[1]) * (_SUFFIXES[suffix] if suffix else unit)


def parse_mebibytes(text: str | int, field: str, *, unit: int = MIB) -> int:
    """Return a Spark memory string in whole MiB, rounded down as ``ByteUnit.convertFrom`` does.

    :raises InvalidMemoryString: naming the field, the value and what is allowed.
    """
    return parse_memory(text, field, unit=unit) // MIB
