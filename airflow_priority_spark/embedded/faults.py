# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: what goes wrong with clusters, when somebody wants to see what that does.

A fault is active from the moment it is added until it is cleared, has struck ``count`` times, or ``for`` has
passed. This module knows which faults there are and which one meets whom; ``fault_gate`` lets those of the
API strike, kubelet and operator ask for theirs.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_priority_spark.embedded import durations
from airflow_priority_spark.embedded.option_values import number
from airflow_priority_spark.errors import InvalidInput

REQUEST = ("verb", "resource", "namespace", "user")
WATCH = ("resource", "namespace", "user")
POD = ("namespace", "app", "role", "name")
REQUIRED = ""


@dataclass(frozen=True)
class FaultKind:
    """What a kind of fault does, its options with their defaults, and by what it may be narrowed.

    :param options: ``REQUIRED`` stands for an option without a default.
    """

    effect: str
    options: Mapping[str, str]
    narrowed_by: tuple[str, ...] = ()


KINDS: Mapping[str, FaultKind] = {
    "latency": FaultKind("answers come later", {"by": "1s"}, REQUEST),
    "refused": FaultKind("the port is closed, open connections are cut", {}),
    "throttled": FaultKind("429 with Retry-After", {"retry-after": "1"}, REQUEST),
    "server-error": FaultKind("an internal error", {"code": "500"}, REQUEST),
    "expired-token": FaultKind("401 for every token", {}, REQUEST),
    "half-open": FaultKind("watches stay open and tell nothing any more", {}, WATCH),
    "gone": FaultKind("watches end with 410, whatever version they ask for", {}, WATCH),
    "clock-skew": FaultKind("the cluster's clock is wrong by so much", {"by": REQUIRED}),
    "lost-node": FaultKind(
        "a node's kubelet is not heard of any more", {"node": REQUIRED, "evict-after": "5m"}
    ),
    "oom-killed": FaultKind("running pods are killed for their memory", {"role": "executor"}, POD),
    "image-pull": FaultKind("images cannot be pulled for new pods", {}, POD),
    "operator-lag": FaultKind("the Spark operator looks at everything so much later", {"by": REQUIRED}),
}
_LIMITS = ("for", "count")


@dataclass(frozen=True)
class Fault:
    """An active fault; ``id`` is how it is cleared."""

    id: str
    kind: str
    options: Mapping[str, str]

    def __getitem__(self, option: str) -> str:
        """Return an option, or the kind's default."""
        return {**KINDS[self.kind].options, **self.options}[option]

    @property
    def by(self) -> float:
        """The option ``by`` in seconds."""
        return signed_seconds(self["by"])

    def meets(self, facts: Mapping[str, str]) -> bool:
        """Whether everything the fault is narrowed to holds."""
        narrowed = {name: self.options.get(name, KINDS[self.kind].options.get(name)) for name in facts}
        return all(wanted in (None, facts[name]) for name, wanted in narrowed.items())

    def as_data(self) -> dict[str, Any]:
        """Return the fault as plain data."""
        return {"id": self.id, "kind": self.kind, "options": dict(self.options)}


Listener = Callable[[str, Fault], None]


class FaultBoard:
    """The active faults; listeners hear of ``added`` and ``cleared``."""

    def __init__(self) -> None:
        self._active: dict[str, Fault] = {}
        self._left: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[Listener] = []
        self._news = asyncio.Event()

    def active(self) -> list[Fault]:
        """Return the active faults, oldest first."""
        return list(self._active.values())

    def listen(self, listener: Listener) -> None:
        """Hear of every fault that is added or cleared."""
        self._listeners.append(listener)

    def add(self, kind: str, options: Mapping[str, str]) -> Fault:
        """Make a fault active; raises ``InvalidInput`` naming the option, its value and what is allowed."""
        _check(kind, options)
        fault = Fault(f"{kind}-{next(self._numbers)}", kind, dict(options))
        self._active[fault.id] = fault
        if "count" in options:
            self._left[fault.id] = int(options["count"])
        if "for" in options:
            asyncio.get_running_loop().call_later(durations.seconds(options["for"]), self._end, fault)
        self._tell("added", fault)
        return fault

    def clear(self, fault_id: str | None = None) -> list[Fault]:
        """End one fault, or all; raises ``InvalidInput`` when there is none of this id."""
        if fault_id is not None and fault_id not in self._active:
            raise InvalidInput("fault", fault_id, ", ".join(self._active) or "none: no fault is active")
        ended = [fault for fault in self.active() if fault_id in (None, fault.id)]
        for fault in ended:
            self._end(fault)
        return ended

    def strike(self, kind: str, facts: Mapping[str, str]) -> Fault | None:
        """Return the oldest fault of a kind that meets these facts, and count that it has struck."""
        found = next((item for item in self.active() if item.kind == kind and item.meets(facts)), None)
        if found is not None and found.id in self._left:
            self._left[found.id] -= 1
            if self._left[found.id] == 0:
                self._end(found)
        return found

    def find(self, kind: str) -> Fault | None:
        """Return the newest active fault of a kind, which outdoes older ones."""
        return next((fault for fault in reversed(self.active()) if fault.kind == kind), None)

    async def change(self, timeout: float | None = None) -> None:
        """Wait until a fault is added or cleared, for at most ``timeout`` seconds."""
        news = self._news
        try:
            await asyncio.wait_for(news.wait(), timeout)
        except TimeoutError:
            return

    def _end(self, fault: Fault) -> None:
        if self._active.pop(fault.id, None) is not None:
            self._left.pop(fault.id, None)
            self._tell("cleared", fault)

    def _tell(self, what: str, fault: Fault) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        for listener in self._listeners:
            listener(what, fault)


def signed_seconds(text: str) -> float:
    """Read a duration that may be negative."""
    return -durations.seconds(text[1:]) if text.startswith("-") else durations.seconds(text)


def parse_options(pairs: list[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` pairs of a command line; raises ``InvalidInput``."""
    options = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or not value:
            raise InvalidInput("option", pair, "KEY=VALUE")
        options[key] = value
    return options


def _check(kind: str, options: Mapping[str, str]) -> None:
    if kind not in KINDS:
        raise InvalidInput("fault", kind, ", ".join(KINDS))
    known = [*KINDS[kind].options, *KINDS[kind].narrowed_by, *_LIMITS]
    for key, value in options.items():
        if key not in known:
            raise InvalidInput("option", key, f"of {kind}: {', '.join(dict.fromkeys(known))}")
        _check_value(key, value)
    missing = [key for key, value in KINDS[kind].options.items() if value == REQUIRED and key not in options]
    if missing:
        raise InvalidInput("option", kind, f"{kind} together with {missing[0]}=…")


def _check_value(key: str, value: str) -> None:
    if key == "code":
        number(key, value, 500, 599)
    elif key in ("retry-after", "count"):
        number(key, value, 1, 100_000)
    elif key in ("by", "for", "evict-after"):
        try:
            seconds = signed_seconds(value)
        except ValueError:
            raise InvalidInput(key, value, durations.ALLOWED) from None
        if key == "for" and seconds <= 0:
            raise InvalidInput(key, value, "a positive duration")
