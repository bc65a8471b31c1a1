# SPDX-License-Identifier: Apache-2.0
"""An error a person can do something about is one line on stderr and exit code 1, not a traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from airflow_priority_spark.errors import PrioritySparkError

P = ParamSpec("P")
R = TypeVar("R")


def in_one_line(command: Callable[P, R]) -> Callable[P, R]:
    """Turn every error of this package into ``SystemExit`` with its message."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except PrioritySparkError as error:
            raise SystemExit(f"priority-spark: {error}") from None

    return wrapped
