# SPDX-License-Identifier: Apache-2.0
"""Questions and orders to Kubernetes API servers that no cycle may wait for.

A cycle that waits for a slow API server loses its lease. So what a capacity mode needs from the API runs
in a few threads; a cycle waits a moment for the quick answers, and an answer that comes later wakes the
next cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

_THREADS: Final = 4
#: A cycle waits so many seconds for answers at most.
MOMENT_SECONDS: Final = 0.5


class Background(Generic[Key, Result]):
    """Calls under way, one per key.

    :param wake: called from a thread whenever a call has ended.
    """

    def __init__(self, wake: Callable[[], None], name: str) -> None:
        self._wake = wake
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"priority-spark-{name}")
        self._calls: dict[Key, Future[Result]] = {}

    def begin(self, key: Key, call: Callable[[], Result]) -> None:
        """Begin a call, unless the one of this key is still under way."""
        if key not in self._calls:
            self._calls[key] = self._pool.submit(call)
            self._calls[key].add_done_callback(lambda _: self._wake())

    def ended(self, seconds: float = 0.0) -> dict[Key, Result | Exception]:
        """Return what has come of the calls that ended; each is told once.

        :param seconds: wait so long for those under way.
        """
        if seconds and self._calls:
            wait(self._calls.values(), seconds)
        done = {key: future for key, future in self._calls.items() if future.done()}
        for key in done:
            del self._calls[key]
        return {key: _outcome(future) for key, future in done.items()}

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _outcome(future: Future[Any]) -> Any:
    try:
        return future.result()
    except Exception as error:
        return error
