# SPDX-License-Identifier: Apache-2.0
"""A stream of changes as server-sent events, so that pages follow along without asking all the time.

It says what has changed, not how: a page asks for what it shows, with the rights that its user has then.
Of jobs that a user may not read nothing is said. A stream ends by itself after some minutes, and browsers
come back at once with the id of the last event they saw; so rights are never older than that.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import atexit
import datetime
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from airflow_priority_spark.api.acting import open_session
from airflow_priority_spark.api.datamodels.base import iso
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep, utcnow
from airflow_priority_spark.api.feed import Change, Feed, told
from airflow_priority_spark.store import changes

router = APIRouter(tags=["stream"])

feed = Feed(open_session, utcnow)
atexit.register(feed.close)

#: Comments in between keep proxies from ending a connection in which nothing is said.
HEARTBEAT_SECONDS: Final = 15.0
LONGEST_SECONDS: Final = 600.0
#: Milliseconds after which browsers come back.
_RETRY: Final = 2000
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_EXAMPLE: Final = (
    "retry: 2000\n\nid: 17\nevent: change\n"
    'data: {"kind": "job", "id": "0198f3a0-7c1e-7b6e-9d7e-3d3e0b6f1c55", "at": "2026-01-01T12:00:00Z"}\n\n'
)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events `change` with `{kind, id, at}` as data. `kind` is job, queue, "
            "arbiter, or all when more has changed than can be told; `id` is null where any may have.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
)
def stream_changes(
    access: AccessDep,
    session: SessionDep,
    now: NowDep,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="Id of the last event seen.")
    ] = None,
) -> StreamingResponse:
    """Tell what changes, as it changes; ends after ten minutes, come back with the last event's id."""
    if feed.full:
        raise HTTPException(503, "too many listen already; ask again later, or ask for what you need")
    readable = access.readable
    missed: list[Change] = []
    if last_event_id is not None:
        mark = changes.mark(session, now)
        missed = _missed(session, last_event_id, mark.event_id, now)
    return StreamingResponse(_events(missed, readable), media_type="text/event-stream", headers=_HEADERS)


def _missed(session: Session, last_event_id: str, newest: int, now: datetime.datetime) -> list[Change]:
    """Return what to tell one who comes back; what happened to queues meanwhile nobody has kept."""
    everything = [Change("all", None, now, newest)]
    if not (last_event_id.isascii() and last_event_id.isdecimal()) or len(last_event_id) > 18:
        return everything
    seen = int(last_event_id)
    if seen > newest:
        return everything
    jobs = told(changes.events_since(session, seen, newest), newest, now)
    return [*jobs, Change("queue", None, now, newest), Change("arbiter", None, now, newest)]


async def _events(missed: list[Change], readable: frozenset[str]) -> AsyncIterator[str]:
    with feed.listening() as listener:
        yield f"retry: {_RETRY}\n\n"
        for change in missed:
            if text := _text(change, readable):
                yield text
        end = time.monotonic() + LONGEST_SECONDS
        while (left := end - time.monotonic()) > 0:
            found = await listener.next(min(HEARTBEAT_SECONDS, left))
            if found is None:
                yield ": still here\n\n"
            elif text := _text(found, readable):
                yield text


def _text(change: Change, readable: frozenset[str]) -> str:
    """Write a change as an event; nothing about a job that may not be read."""
    if change.dag_id is not None and change.dag_id not in readable:
        return ""
    data = json.dumps({"kind": change.kind, "id": change.id, "at": iso(change.at)})
    return f"id: {change.event_id}\nevent: change\ndata: {data}\n\n"
