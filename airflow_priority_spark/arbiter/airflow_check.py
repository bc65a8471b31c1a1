# SPDX-License-Identifier: Apache-2.0
"""Looks, before an arbiter starts, whether Airflow still has the shape we resume tasks through.

Parking and resuming stand on parts of Airflow that it uses itself but does not promise to anybody
(see ``resume``). After an Airflow upgrade that changed them, the worst outcome is an arbiter that
runs and quietly damages task instances; the best is one that does not start and says what changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from airflow_priority_spark.errors import IncompatibleAirflow

#: What ``resume`` calls, with these keyword parameters, and reads.
RESUME_PARAMETERS: Final = ("event", "task_instance", "session")
FAIL_METHOD: Final = "__fail__"
STATES: Final = (
    "DEFERRED",
    "SCHEDULED",
    "QUEUED",
    "RUNNING",
    "SUCCESS",
    "FAILED",
    "UP_FOR_RETRY",
    "RESTARTING",
)
#: Attribute → column of the tables that intake, apply and reconcile read and write.
TASK_INSTANCE_COLUMNS: Final[Mapping[str, str]] = {
    name: name
    for name in (
        "id",
        "dag_id",
        "run_id",
        "task_id",
        "map_index",
        "state",
        "trigger_id",
        "trigger_timeout",
        "next_method",
        "next_kwargs",
        "pool",
        "priority_weight",
        "try_number",
        "scheduled_dttm",
    )
}
TRIGGER_COLUMNS: Final[Mapping[str, str]] = {
    "id": "id",
    "classpath": "classpath",
    "encrypted_kwargs": "kwargs",
    "created_date": "created_date",
}


def check_airflow() -> None:
    """Compare Airflow's internal resume API with what this package knows.

    :raises IncompatibleAirflow: naming Airflow's version and every difference.
    """
    differences = list(_differences())
    if not differences:
        return
    from airflow import __version__ as version

    raise IncompatibleAirflow(
        f"Airflow {version} does not have the internal API that this version of "
        f"airflow-provider-priority-spark resumes tasks through: {'; '.join(differences)}. "
        "Nothing was changed. Upgrade this package, or go back to the previous Airflow version."
    )


def _differences() -> Iterator[str]:
    from airflow.models import trigger
    from airflow.models.taskinstance import TaskInstance

    yield from _resume_differences(trigger)
    yield from _column_differences(TaskInstance, TASK_INSTANCE_COLUMNS)
    yield from _column_differences(trigger.Trigger, TRIGGER_COLUMNS)
    yield from _state_differences(STATES)


def _resume_differences(module: Any) -> Iterator[str]:
    submit = getattr(module, "handle_event_submit", None)
    if not callable(submit):
        yield "airflow.models.trigger.handle_event_submit is missing"
    else:
        known = inspect.signature(submit).parameters
        required = {name for name, parameter in known.items() if parameter.default is parameter.empty}
        if not set(RESUME_PARAMETERS) <= known.keys() or required - set(RESUME_PARAMETERS):
            yield (
                f"handle_event_submit takes ({', '.join(known)}) instead of ({', '.join(RESUME_PARAMETERS)})"
            )
    found = getattr(module, "TRIGGER_FAIL_REPR", None)
    if found != FAIL_METHOD:
        yield f"airflow.models.trigger.TRIGGER_FAIL_REPR is {found!r} instead of {FAIL_METHOD!r}"


def _column_differences(model: Any, expected: Mapping[str, str]) -> Iterator[str]:
    for attribute, column in expected.items():
        property_ = model.__mapper__.attrs.get(attribute)
        columns = [found.name for found in getattr(property_, "columns", ())]
        if columns != [column]:
            has = f"maps to {', '.join(columns)}" if columns else "is missing"
            yield f"{model.__name__}.{attribute} {has} (expected: column {model.__tablename__}.{column})"


def _state_differences(expected: Iterable[str]) -> Iterator[str]:
    from airflow.utils.state import TaskInstanceState

    missing = [name for name in expected if name not in TaskInstanceState.__members__]
    if missing:
        yield f"TaskInstanceState lacks {', '.join(missing)}"
