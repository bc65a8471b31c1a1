# SPDX-License-Identifier: Apache-2.0
"""How a task goes through the queue: the options that every operator with admission shares.

An option that is not given is the configuration's; one that is wrong fails the task by its name. They
are read when the task runs, not when its DAG is parsed: they may be templates, and the configuration
may change while the task waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from airflow_priority_spark import settings
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.spark.names import check_pool
from airflow_priority_spark.spark.request import FLOWS, ON_UNCLAIMED, Flow


class HasOptions(Protocol):
    """An operator's attributes, ``None`` where the configuration decides."""

    priority: str | None
    deployment_flow: str | None
    unclaimed_seconds: float | None
    on_unclaimed: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """Checked options.

    :param priority: priority pool.
    :param flow: ``legacy`` wherever no arbiter is meant to run: nobody would ever claim a task that waits.
    :param unclaimed_seconds: see ``AdmissionTrigger``.
    :param on_unclaimed: see ``AdmissionTrigger``.
    """

    priority: str
    flow: Flow
    unclaimed_seconds: float
    on_unclaimed: str


def read_options(operator: HasOptions, configured: settings.Settings | None = None) -> Options:
    """Read an operator's options.

    :param configured: the configuration, if it has been read already.
    :raises InvalidInput: naming the option, its value and what is allowed.
    """
    configured = configured or settings.load()
    flow = one_of("deployment_flow", operator.deployment_flow or configured.deployment_flow, FLOWS)
    return Options(
        priority=_priority(operator.priority or configured.default_priority, configured),
        flow="legacy" if configured.arbiter == "off" else cast("Flow", flow),
        unclaimed_seconds=_seconds(operator.unclaimed_seconds, configured.unclaimed_seconds),
        on_unclaimed=one_of("on_unclaimed", operator.on_unclaimed or configured.on_unclaimed, ON_UNCLAIMED),
    )


def _priority(name: Any, configured: settings.Settings) -> str:
    """Return a priority pool that some queue may have; the arbiter knows whether this queue has it."""
    pool, known = check_pool("priority", name), settings.known_priorities(configured)
    if known is not None and pool not in known:
        raise InvalidInput(
            "priority",
            name,
            f"{', '.join(sorted(known))} (of [priority_spark] priority_pools and more_priorities)",
        )
    return pool


def one_of(option: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return the value if it is one of the allowed words.

    :raises InvalidInput: naming them.
    """
    if value not in allowed:
        raise InvalidInput(option, value, ", ".join(allowed))
    return str(value)


def _seconds(value: float | None, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
        raise InvalidInput("unclaimed_seconds", value, "a number of seconds of at least 1")
    return float(value)
