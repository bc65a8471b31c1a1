# SPDX-License-Identifier: Apache-2.0
"""The options about the life of an application: how long it may take, and what is left of it.

As with every option, what is not given is the configuration's, what is wrong fails the task by its name,
and all of it is read when the task runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.operators.options import one_of
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.triggers.clocks import Limits

ON_STARVATION: Final = ("warn", "fail", "requeue")
#: A trigger takes more than a moment; nobody means a limit below a second.
_LEAST_SECONDS: Final = 1.0

#: Seconds or a span of time; 0 is no limit, ``None`` the configuration's.
Timeout = float | timedelta | None


class HasLifecycle(Protocol):
    """An operator's attributes, ``None`` where the configuration decides."""

    queue_timeout: Timeout
    submission_timeout: Timeout
    driver_scheduling_timeout: Timeout
    executor_readiness_timeout: Timeout
    run_timeout: Timeout
    execution_timeout: timedelta | None
    on_starvation: str | None
    keep_on_failure: bool | None
    application_ttl: Timeout
    protect_driver: bool | None
    driver_log_bytes: int | None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Checked options.

    :param queue_timeout: whole seconds, 0 for none.
    :param limits: of the parts that follow the queue.
    :param application_ttl: seconds an ended application is kept by the Spark operator, 0 for ever.
    """

    queue_timeout: int
    limits: Limits
    on_starvation: str
    keep_on_failure: bool
    application_ttl: int
    protect_driver: bool
    driver_log_bytes: int


def read_lifecycle(operator: HasLifecycle, configured: Settings) -> Lifecycle:
    """Read an operator's options.

    An author's ``execution_timeout`` limits the run where nothing else does: Airflow measures it on the
    worker only, so neither the queue nor a deferred task would ever reach it.

    :raises InvalidInput: naming the option, its value and what is allowed.
    """
    # ``None`` means that the author said nothing; 0 is what the author said.
    run = operator.run_timeout if operator.run_timeout is not None else operator.execution_timeout
    return Lifecycle(
        queue_timeout=round(
            seconds("queue_timeout", operator.queue_timeout, configured.queue_timeout_seconds)
        ),
        limits=Limits(
            submission=seconds(
                "submission_timeout", operator.submission_timeout, configured.submission_timeout_seconds
            ),
            driver_scheduling=seconds(
                "driver_scheduling_timeout",
                operator.driver_scheduling_timeout,
                configured.driver_scheduling_timeout_seconds,
            ),
            executor_readiness=seconds(
                "executor_readiness_timeout",
                operator.executor_readiness_timeout,
                configured.executor_readiness_timeout_seconds,
            ),
            run=seconds("run_timeout", run, configured.run_timeout_seconds),
        ),
        on_starvation=one_of(
            "on_starvation", operator.on_starvation or configured.on_starvation, ON_STARVATION
        ),
        keep_on_failure=_flag("keep_on_failure", operator.keep_on_failure, configured.keep_on_failure),
        application_ttl=round(
            seconds("application_ttl", operator.application_ttl, configured.application_ttl_seconds)
        ),
        protect_driver=_flag("protect_driver", operator.protect_driver, configured.protect_driver),
        driver_log_bytes=_bytes(operator.driver_log_bytes, configured.driver_log_bytes),
    )


def seconds(option: str, value: Timeout, default: float) -> float:
    """Return a time limit in seconds.

    :raises InvalidInput: naming the option, its value and what is allowed.
    """
    if value is None:
        return default
    given = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(given, bool) or not isinstance(given, int | float) or not _in_range(given):
        raise InvalidInput(
            option,
            value,
            f"a timedelta or a number of seconds of at least {_LEAST_SECONDS:g}; 0 for no limit",
        )
    return float(given)


def _in_range(seconds: float) -> bool:
    return seconds == 0 or _LEAST_SECONDS <= seconds < float("inf")


def _flag(option: str, value: Any, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidInput(option, value, "True or False")
    return value


def _bytes(value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1024:
        raise InvalidInput("driver_log_bytes", value, "a whole number of bytes of at least 1024")
    return value
