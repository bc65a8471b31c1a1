# SPDX-License-Identifier: Apache-2.0
"""Where a page of jobs ends, as a text that a caller carries to the next page.

A page continues after a place, not after a count: jobs come and go between two pages, and counting
would then show one twice or miss one.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, or_

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.store.models import Job


class Place(NamedTuple):
    """A job's place in the order of enqueueing; unique, as it ends on the job's id."""

    at: datetime.datetime
    trigger_id: int
    job_id: str


def encode(place: Place) -> str:
    """Return a text that stands in a URL as it is."""
    text = json.dumps([place.at.isoformat(), place.trigger_id, place.job_id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> Place:
    """Read what ``encode`` wrote.

    :raises InvalidInput: when it did not.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, trigger_id, job_id = json.loads(text)
        place = Place(datetime.datetime.fromisoformat(at), int(trigger_id), str(job_id))
    except (binascii.Error, ValueError, TypeError):
        place = None
    if place is None or place.at.tzinfo is None:
        raise InvalidInput("after", cursor, "the `next` of an earlier page")
    return place


def further_than(place: Place, *, newest_first: bool) -> ColumnElement[bool]:
    """Return the condition for jobs that come later in the list than ``place``.

    Written out instead of comparing rows, which not every database can do.
    """
    columns = (Job.position_at, Job.position_id, Job.id)
    alternatives: list[ColumnElement[bool]] = []
    for index, column in enumerate(columns):
        equal = [earlier == value for earlier, value in zip(columns[:index], place[:index], strict=True)]
        further = column < place[index] if newest_first else column > place[index]
        alternatives.append(and_(*equal, further))
    return or_(*alternatives)
