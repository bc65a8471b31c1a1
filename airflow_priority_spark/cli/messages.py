# SPDX-License-Identifier: Apache-2.0
"""An error a person can do something about is one line on stderr and an exit code, not a traceback.

=== =====================================================================
0   done
1   refused: a value is wrong, a file has wrong lines, the database or a cluster is not as it must be
2   the command line itself is wrong
3   there is no job, queue, pool or cluster of this name
4   right in itself, but not as things stand: some of the jobs were refused, a queue is paused already
=== =====================================================================
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Final, NoReturn, ParamSpec, TypeVar

from airflow_priority_spark.errors import Conflict, NotFound, PrioritySparkError

P = ParamSpec("P")
R = TypeVar("R")

REFUSED: Final = 1
WRONG_USAGE: Final = 2
NOT_FOUND: Final = 3
CONFLICT: Final = 4


def in_one_line(command: Callable[P, R]) -> Callable[P, R]:
    """Turn every error of this package into its message and its exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except NotFound as error:
            fail(f"priority-spark: {error}", NOT_FOUND)
        except Conflict as error:
            fail(f"priority-spark: {error}", CONFLICT)
        except PrioritySparkError as error:
            raise SystemExit(f"priority-spark: {error}") from None

    return wrapped


def fail(message: str, code: int) -> NoReturn:
    """End the command with a message on stderr."""
    print(message, file=sys.stderr)
    raise SystemExit(code)
