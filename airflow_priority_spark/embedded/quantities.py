# SPDX-License-Identifier: Apache-2.0
"""Kubernetes quantities: parsed exactly, printed canonically.

Written a second time on purpose: ``scheduling.resources`` decides admissions, and a cluster that counted with
the same code would agree with its mistakes. Source: apimachinery ``pkg/api/resource/quantity.go``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

NANO = 10**9
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_SYNTAX = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]?))")
PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


@dataclass(frozen=True)
class Quantity:
    """An amount in billionths of its unit, and whether it prints with binary suffixes."""

    nanos: int
    binary: bool = False

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self._keeps_format_of(other))

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self._keeps_format_of(other))

    def _keeps_format_of(self, other: Quantity) -> bool:
        """Zero takes the format of what is added to it (``Quantity.Add`` upstream)."""
        return self.binary if self.nanos else other.binary

    def __str__(self) -> str:
        if self.binary and abs(self.nanos) >= 1024 * NANO:
            return _print_binary(-(-self.nanos // NANO))
        return _print_decimal(self.nanos)


ZERO = Quantity(0)


# A cluster knows few different amounts, and the scheduler reads those of every node for every pod.
@functools.lru_cache(maxsize=1 << 16)
def parse(text: object) -> Quantity:
    """Read a quantity; raises ``ValueError`` with the API server's sentence when it is none."""
    match = _SYNTAX.fullmatch(str(text))
    if match is None:
        raise ValueError(f"quantities must match the regular expression '{PATTERN}'")
    number, exponent, suffix = match.groups()
    if exponent:
        scale = Fraction(10) ** int(exponent[1:])
    elif suffix in _BINARY:
        scale = Fraction(1024) ** _BINARY[suffix]
    else:
        scale = Fraction(1000) ** _DECIMAL[suffix]
    exact = Fraction(number) * scale * NANO
    return Quantity(-(-exact.numerator // exact.denominator), suffix in _BINARY)


def parse_all(resources: Mapping[str, object] | None) -> dict[str, Quantity]:
    """Read a resource list such as ``requests`` or ``hard``."""
    return {name: parse(value) for name, value in (resources or {}).items()}


def printed(resources: Mapping[str, Quantity]) -> dict[str, str]:
    """Print a resource list as an API object holds it."""
    return {name: str(value) for name, value in resources.items()}


def _print_binary(value: int) -> str:
    power = 0
    while power < 6 and value and value % 1024 == 0:
        value //= 1024
        power += 1
    return f"{value}{['', *_BINARY][power]}"


def _print_decimal(nanos: int) -> str:
    power = -3
    while power < 6 and nanos and nanos % 1000 == 0:
        nanos //= 1000
        power += 1
    return f"{nanos}{list(_DECIMAL)[power + 3]}" if nanos else "0"
