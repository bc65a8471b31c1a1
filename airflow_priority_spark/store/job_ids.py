# SPDX-License-Identifier: Apache-2.0
"""A job's id says when it was made, so that one whose row was cleaned up is told from one that never was.

The ids are UUIDs of version 7 (https://www.rfc-editor.org/rfc/rfc9562#section-5.7): their first 48 bits are
milliseconds since 1970. Nothing is kept of a cleaned-up job, and nothing needs to be: what is unknown and
older than everything that is kept must have been deleted.
"""

from __future__ import annotations

import datetime
from uuid import UUID

from uuid6 import uuid7

_TIME_SHIFT = 80


def new_job_id() -> str:
    """Return an id that no other job has."""
    return str(uuid7())


def made_at(job_id: UUID) -> datetime.datetime | None:
    """Return when a job with this id was made, ``None`` for an id that says no time."""
    if job_id.version != 7:
        return None
    try:
        return datetime.datetime.fromtimestamp((job_id.int >> _TIME_SHIFT) / 1000, datetime.UTC)
    except (ValueError, OverflowError):
        return None


def is_cleaned_up(job_id: UUID, now: datetime.datetime, retention_seconds: float) -> bool:
    """Tell whether a job that is not in the tables may have been and was deleted for its age.

    :param retention_seconds: how long ended jobs are kept; a job is made before it ends.
    """
    made = made_at(job_id)
    return made is not None and made <= now - datetime.timedelta(seconds=retention_seconds)
