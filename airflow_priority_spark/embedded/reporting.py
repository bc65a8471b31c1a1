# SPDX-License-Identifier: Apache-2.0
"""Events by controllers that write while they hear of a change, where none may fail for an event's sake."""

from __future__ import annotations

from airflow_priority_spark.embedded.kinds import EVENTS, NAMESPACES
from airflow_priority_spark.embedded.objects import Object, event_about, is_terminating
from airflow_priority_spark.embedded.verbs import Verbs


def record_event(
    verbs: Verbs, about: Object, severity: str, reason: str, message: str, component: str
) -> None:
    """Write an Event about an object, unless its namespace is gone or going."""
    body = event_about(about, severity, reason, message, component)
    namespace = body["metadata"]["namespace"]
    place = verbs.store.get(NAMESPACES, "", namespace)
    if place is not None and not is_terminating(place.data):
        verbs.create(EVENTS, namespace, body)
