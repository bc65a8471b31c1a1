# SPDX-License-Identifier: Apache-2.0
"""The differences between two answers, and which of them the project has accepted, each with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

ACCEPTED = Path(__file__).with_name("accepted.yaml")
_ABSENT = "<absent>"
# What is told of an answer that was not expected.
_LONGEST = 300


@dataclass(frozen=True)
class Difference:
    """One value that the two servers give differently."""

    request: str
    path: str
    real: Any
    embedded: Any

    def __str__(self) -> str:
        values = f"        real:     {self.real}\n        embedded: {self.embedded}"
        return f"{self.request}\n    {self.path}\n{values}"


@dataclass(frozen=True)
class Acceptance:
    """Differences that may be: patterns for request and path, and why."""

    request: str
    path: str
    reason: str

    def covers(self, difference: Difference) -> bool:
        """Whether it speaks about a difference; ``*`` stands for anything."""
        path = difference.path.replace("[", "(").replace("]", ")")
        wanted = self.path.replace("[", "(").replace("]", ")")
        return fnmatchcase(difference.request, self.request) and fnmatchcase(path, wanted)


def acceptances() -> list[Acceptance]:
    """Return the accepted differences of the repository."""
    return [Acceptance(**entry) for entry in yaml.safe_load(ACCEPTED.read_text()) or ()]


def differences(
    real: Mapping[str, Any], embedded: Mapping[str, Any], accepted: Sequence[Acceptance]
) -> tuple[list[Difference], set[Acceptance]]:
    """Return what is not accepted, and the acceptances that were used."""
    found, used = [], set()
    for request, answer in real.items():
        for path, one, other in _pairs(answer, embedded.get(request, _ABSENT)):
            difference = Difference(request, path, one, other)
            covering = [acceptance for acceptance in accepted if acceptance.covers(difference)]
            used.update(covering)
            if not covering:
                found.append(difference)
    return found, used


def _pairs(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield what differs; of answers with another status no more than that, and what they say."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping) or one["code"] == other["code"]:
        yield from _walk("", one, other)
    else:
        yield "code", _summary(one), _summary(other)


def _summary(answer: Mapping[str, Any]) -> Any:
    body = answer["body"]
    message = body.get("message", "") if isinstance(body, Mapping) else body
    return f"{answer['code']} {str(message)[:_LONGEST]}".strip()


def _walk(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            inner = f"{path}.{key}" if path else key
            yield from _walk(inner, one.get(key, _ABSENT), other.get(key, _ABSENT))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _walk(f"{path}[{index}]", left, right)
    elif one != other:
        yield path, one, other
