# SPDX-License-Identifier: Apache-2.0
"""Find tasks that have deferred to the queue, and read what they ask for.

A task enqueues itself by deferring. Its request comes from whoever may write a DAG, so it is read as plain
JSON with a schema and a size limit, and it never says whose the job is. ``enqueue`` writes the jobs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.errors import InvalidInput, InvalidRequest
from airflow_priority_spark.spark.request import MAX_REQUEST_BYTES, AdmissionRequest
from airflow_priority_spark.store.deferrals import Deferral, deferrals

#: So many tasks are taken in by one transaction; who is left is taken in by the next cycle.
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Ready:
    """A deferral that was read: either a request with its cluster, or the reason why it is refused."""

    deferral: Deferral
    request: AdmissionRequest | None
    cluster_id: str | None
    refusal: str = ""


def take_in(context: Context, session: Session) -> Sequence[Ready]:
    """Find deferrals and read them, without writing; those of unresolved clusters are left for later.

    :param session: for reading only.
    """
    found = deferrals(session, BATCH)
    return [ready for ready in (_read(context, deferral) for deferral in found) if ready is not None]


def _read(context: Context, deferral: Deferral) -> Ready | None:
    try:
        request = parse(deferral.kwargs)
        cluster_id = context.clusters.find(request.connection)
    except InvalidInput as error:
        return Ready(deferral, None, None, str(error))
    return Ready(deferral, request, cluster_id) if cluster_id else None


def parse(kwargs: str) -> AdmissionRequest:
    """Read the ``request`` out of a trigger's kwargs column; only plain JSON is looked at.

    :raises InvalidRequest: naming the field.
    """
    if len(kwargs.encode()) > MAX_REQUEST_BYTES:
        raise InvalidRequest(
            "trigger kwargs", f"{len(kwargs.encode())} bytes", f"at most {MAX_REQUEST_BYTES} bytes"
        )
    try:
        data = json.loads(kwargs)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidRequest("trigger kwargs", kwargs[:80], "a JSON object") from error
    if not isinstance(data, dict):
        raise InvalidRequest("trigger kwargs", kwargs[:80], "a JSON object")
    return AdmissionRequest.from_json(data.get("request"))
