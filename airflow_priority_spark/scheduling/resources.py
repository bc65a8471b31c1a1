# SPDX-License-Identifier: Apache-2.0
"""Resource amounts as exact integers.

A scheduler that adds floats loses a byte here and a millicore there, and one day admits a job
into room that is not. So every amount in this package is an integer in the base unit of its
resource: ``cpu`` in millicores, everything else (memory, storage, ephemeral storage in bytes; pods,
GPUs and other countables as counts) in whole units. Conversion happens once, at the border, and
rounds as Kubernetes rounds: up, away from zero.

Source: ``k8s.io/apimachinery/pkg/api/resource/quantity.go`` (``ParseQuantity``, ``MilliValue``,
``Value``: both round up; what is larger than ``2^63 - 1`` becomes ``2^63 - 1``).
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator, Mapping
from fractions import Fraction
from typing import Final

from airflow_priority_spark.errors import InvalidQuantity

CPU: Final = "cpu"
MEMORY: Final = "memory"
PODS: Final = "pods"

_QUANTITY = re.compile(
    r"^(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[A-Za-z]*|[eE][+-]?\d{1,18})$", re.ASCII
)
_SUFFIXES: Final[Mapping[str, Fraction]] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
#: Kubernetes keeps quantities in 64 bits and caps what is larger.
_MAX_AMOUNT: Final = 2**63 - 1
#: Beyond it every number is the cap (or rounds up to one unit): no need to compute ten to the power of it.
_MAX_EXPONENT: Final = 400
#: No quantity a person writes is longer; a longer one would only cost time.
_MAX_LENGTH: Final = 100
_ALLOWED: Final = "a Kubernetes quantity such as 500m, 2, 1.5, 1e3, 512Mi or 4Gi"


def parse_quantity(text: str | int | float, field: str = "quantity") -> Fraction:
    """Return the exact value of a Kubernetes quantity.

    :param text: e.g. ``"500m"``, ``"4Gi"``, ``"1e3"``, ``2``.
    :param field: where it was found, for the error.
    :raises InvalidQuantity: when it is not a quantity.
    """
    stripped = str(text).strip()
    match = _QUANTITY.match(stripped)
    if not match or len(stripped) > _MAX_LENGTH:
        raise InvalidQuantity(field, text, _ALLOWED)
    suffix = match["suffix"]
    if suffix in _SUFFIXES:
        scale = _SUFFIXES[suffix]
    elif suffix[0] in "eE" and suffix[1:].lstrip("+-").isdigit():
        scale = Fraction(10) ** max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(suffix[1:])))
    else:
        raise InvalidQuantity(field, text, _ALLOWED)
    return Fraction(match["number"]) * scale


def _round_up(value: Fraction) -> int:
    """Round away from zero to an integer of 64 bits, as ``Quantity.Value`` does."""
    magnitude = min(_MAX_AMOUNT, -(-abs(value).numerator // abs(value).denominator))
    return magnitude if value >= 0 else -magnitude


def parse_cpu_millis(text: str | int | float, field: str = "cpu") -> int:
    """Return a CPU quantity in millicores, rounded up to a whole millicore."""
    return _round_up(parse_quantity(text, field) * 1000)


def parse_amount(text: str | int | float, field: str = "quantity") -> int:
    """Return a quantity of bytes or countables, rounded up to a whole unit."""
    return _round_up(parse_quantity(text, field))


def is_cpu(resource: str) -> bool:
    """Tell whether a resource or quota key (``cpu``, ``requests.cpu``, ``limits.cpu``) counts millicores."""
    return resource == CPU or resource.endswith(".cpu")


def parse_resource(resource: str, text: str | int | float) -> int:
    """Return the amount of ``resource`` in its base unit (millicores for CPU, whole units otherwise)."""
    return parse_cpu_millis(text, resource) if is_cpu(resource) else parse_amount(text, resource)


class Resources(Mapping[str, int]):
    """An immutable vector of amounts; a missing resource is zero, a zero is not stored.

    :param amounts: resource (or quota key) → integer in its base unit.
    """

    __slots__ = ("_amounts", "_hash")

    def __init__(self, amounts: Mapping[str, int] | None = None) -> None:
        self._amounts = {name: amount for name, amount in sorted((amounts or {}).items()) if amount}
        self._hash: int | None = None

    @classmethod
    def parse(cls, quantities: Mapping[str, str | int | float]) -> Resources:
        """Read a Kubernetes resource list, e.g. ``{"cpu": "500m", "memory": "1Gi"}``."""
        return cls({name: parse_resource(name, text) for name, text in quantities.items()})

    def __getitem__(self, resource: str) -> int:
        return self._amounts.get(resource, 0)

    def __contains__(self, resource: object) -> bool:
        return resource in self._amounts

    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def items(self) -> ItemsView[str, int]:
        """Return the amounts that are not zero, sorted by resource."""
        return self._amounts.items()

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(self._amounts.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resources) and self._amounts == other._amounts

    def __repr__(self) -> str:
        return f"Resources({self._amounts})"

    def __add__(self, other: Resources) -> Resources:
        merged = dict(self._amounts)
        for name, amount in other._amounts.items():
            merged[name] = merged.get(name, 0) + amount
        return Resources(merged)

    def __sub__(self, other: Resources) -> Resources:
        merged = dict(self._amounts)
        for name, amount in other._amounts.items():
            merged[name] = merged.get(name, 0) - amount
        return Resources(merged)

    def __mul__(self, count: int) -> Resources:
        return Resources({name: amount * count for name, amount in self._amounts.items()})

    def clamped(self) -> Resources:
        """Return the vector with negative amounts as zero."""
        return Resources({name: amount for name, amount in self._amounts.items() if amount > 0})

    def maximum(self, other: Resources) -> Resources:
        """Return the greater amount of each resource."""
        return Resources({name: max(self[name], other[name]) for name in {*self, *other}})

    def fits_in(self, room: Resources) -> bool:
        """Tell whether every amount asked for is there; a resource not asked for is not looked at."""
        return all(amount <= room[name] for name, amount in self._amounts.items() if amount > 0)

    def as_dict(self) -> dict[str, int]:
        """Return a plain, sorted dictionary (the JSON form)."""
        return dict(self._amounts)


def is_bytes(resource: str) -> bool:
    """Tell whether a resource or quota key counts bytes (memory, any storage, huge pages)."""
    return resource.endswith(("memory", "storage")) or "hugepages-" in resource


def format_amount(resource: str, amount: int) -> str:
    """Say an amount as people do: ``1.5 CPU``, ``96 GiB``, ``3 pods``, ``2 nvidia.com/gpu``.

    :param amount: in the base unit of ``resource``.
    """
    if is_cpu(resource):
        return f"{_trim(amount / 1000, 3)} CPU"
    if is_bytes(resource):
        return format_bytes(amount)
    return f"{amount} {resource.removeprefix('requests.').removeprefix('count/')}"


def format_bytes(amount: int) -> str:
    """Say bytes with the largest binary unit that keeps the number at or above one."""
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(amount) >= size:
            return f"{_trim(amount / size, 2)} {unit}"
    return f"{amount} B"


def format_needed_and_free(resource: str, needed: int, free: int) -> tuple[str, str]:
    """Say both amounts so that a person sees the difference.

    A countable's unit is its own name, so only numbers are said; bytes that differ by less than a
    hundredth are said in full (``needs 103079215105 B, 103079215104 B free``).

    :param needed: in the base unit of ``resource``.
    :param free: in the base unit of ``resource``.
    """
    if not is_cpu(resource) and not is_bytes(resource):
        return str(needed), str(free)
    if is_bytes(resource) and 0 < abs(needed - free) * 100 < max(abs(needed), abs(free)):
        return f"{needed} B", f"{free} B"
    return format_amount(resource, needed), format_amount(resource, free)


def _trim(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")
