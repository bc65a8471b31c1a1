# SPDX-License-Identifier: Apache-2.0
"""Where the API's faults strike: before a request is answered, and in the middle of a watch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from airflow_priority_spark.embedded.errors import ApiError, unauthorized
from airflow_priority_spark.embedded.faults import Fault, FaultBoard

_WATCH_FAULTS = ("half-open", "gone")


@dataclass(eq=False)
class _Tap:
    """An open watch, and what has struck it."""

    facts: dict[str, str]
    task: asyncio.Task[object]
    fault: Fault | None = None


class FaultGate:
    """Every request passes here; ``ApiServer`` asks."""

    def __init__(self, board: FaultBoard) -> None:
        self.board = board
        self._taps: set[_Tap] = set()
        board.listen(self._on_fault)

    async def admit(self, facts: dict[str, str]) -> None:
        """Let a request wait or fail as the faults say; see ``faults.REQUEST`` for its facts."""
        if fault := self.board.strike("latency", facts):
            await asyncio.sleep(fault.by)
        if self.board.strike("expired-token", facts):
            raise unauthorized()
        if fault := self.board.strike("throttled", facts):
            seconds = int(fault["retry-after"])
            message = "the server has received too many requests and has asked us to try again later"
            raise ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": seconds})
        if fault := self.board.strike("server-error", facts):
            raise ApiError(int(fault["code"]), "InternalError", f"Internal error occurred: fault {fault.id}")

    async def watched(
        self, facts: dict[str, str], lines: AsyncIterator[bytes], *, resumes: bool
    ) -> AsyncIterator[bytes]:
        """Pass a watch's lines on until a fault strikes it.

        :param resumes: it goes on from a version, which ``gone`` refuses; others begin with a list.
        """
        task = asyncio.current_task()
        assert task is not None
        tap = _Tap(facts, task)
        tap.fault = self.board.strike("half-open", facts) or (
            self.board.strike("gone", facts) if resumes else None
        )
        self._taps.add(tap)
        try:
            if tap.fault is None:
                async for line in lines:
                    yield line
                return
        except asyncio.CancelledError:
            if tap.fault is None:
                raise
            task.uncancel()
        finally:
            self._taps.discard(tap)
        if tap.fault.kind == "half-open":
            await asyncio.Event().wait()
        status = ApiError(
            410, "Expired", f"The resourceVersion for the provided watch is too old: {tap.fault.id}"
        )
        yield json.dumps({"type": "ERROR", "object": status.status()}).encode() + b"\n"

    def _on_fault(self, what: str, fault: Fault) -> None:
        """Strike the watches that are open when a fault begins, by interrupting them."""
        if what == "added" and fault.kind in _WATCH_FAULTS:
            for tap in [tap for tap in self._taps if fault.meets(tap.facts)]:
                tap.fault = fault
                tap.task.cancel()
