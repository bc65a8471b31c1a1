# SPDX-License-Identifier: Apache-2.0
"""Options of what watches the queue from outside: the exporter's metrics, and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def option(
    default: Any,
    description: str,
    *,
    allowed: tuple[str, ...] = (),
    minimum: float | None = None,
    example: str | None = None,
) -> Any:
    """Return a field whose metadata is its documentation."""
    metadata: Mapping[str, Any] = {
        "description": description,
        "allowed": allowed,
        "minimum": minimum,
        "example": example,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Times are seconds."""

    metrics_labels: str = option(
        "pool,team,dag_id,job_id",
        "Labels of metrics that are on, separated by commas, of: pool, team, dag_id, job_id. What differs "
        "only in a label that is off is added up.",
    )
    metrics_top: int = option(
        50,
        "So many teams, DAGs and jobs, those that hold most, have series of their own at a time; the rest is "
        "``other``.",
        minimum=1,
    )
    metrics_bind_address: str = option(
        "0.0.0.0",
        "Address that exporters listen on.",
        example="127.0.0.1",
    )
    metrics_arbiter_port: int = option(
        0, "Port on which every arbiter answers with the same metrics as the exporter; 0: none.", minimum=0
    )
    metrics_tls_certificate: str = option(
        "", "PEM file with the certificate chain for HTTPS; empty: HTTP.", example="/etc/tls/tls.crt"
    )
    metrics_tls_key: str = option("", "PEM file with its key.", example="/etc/tls/tls.key")
    metrics_users_file: str = option(
        "",
        "File with lines ``name:hash`` of who may read metrics, hashes as ``airflow priority-spark exporter "
        "--hash-password`` prints them; empty: everybody may. Health endpoints ask nobody.",
        example="/etc/priority-spark/users",
    )
    notifiers: str = option(
        "",
        "Airflow notifiers by a name of yours, as JSON: ``{name: {class, arguments, on}}``. ``on``: of "
        "which notices it is told for every job (blocked, late, cancelled, starved, requeued); tasks name "
        "others with ``notify=``. Arguments are templates with ``sentence``, ``link``, ``notice`` and more.",
        example='{"team-chat": {"class": "airflow.providers.slack.notifications.slack.SlackNotifier", '
        '"arguments": {"text": "{{ sentence }} {{ link }}"}, "on": ["late", "cancelled"]}}',
    )
    notify_blocked_seconds: float = option(
        600.0, "A head that capacity has blocked for so long is told of as blocked.", minimum=0
    )
