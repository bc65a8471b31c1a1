# SPDX-License-Identifier: Apache-2.0
"""What several answers have in common."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, PlainSerializer

from airflow_priority_spark.scheduling.resources import Resources


def iso(instant: datetime.datetime) -> str:
    """Write an instant as answers have it."""
    return instant.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


#: ISO 8601 in UTC, ``2026-01-01T12:00:00Z``.
Instant = Annotated[datetime.datetime, PlainSerializer(iso, return_type=str, when_used="json")]

#: Resource → amount in its base unit: ``cpu`` in millicores, everything else in bytes or counts.
Amounts = Annotated[
    dict[str, int],
    Field(
        description="Resource → amount: cpu in millicores, everything else in bytes or counts.",
        examples=[{"cpu": 1500, "memory": 1073741824, "pods": 3}],
    ),
]


def amounts(resources: Resources) -> dict[str, int]:
    """Return amounts as an answer has them."""
    return resources.as_dict()


class Answer(BaseModel):
    """Base of all answers."""

    @classmethod
    def of(cls, value: Any, **more: Any) -> Any:
        """Take the fields of the same names from an object of the store, and ``more``."""
        names = [name for name in cls.model_fields if name not in more and hasattr(value, name)]
        return cls(**{name: getattr(value, name) for name in names}, **more)


def _sane(instant: datetime.datetime) -> datetime.datetime:
    """Take an instant without a zone for UTC and refuse what databases cannot hold."""
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=datetime.UTC)
    if not 1970 <= instant.year <= 9000:
        raise ValueError("an instant between the years 1970 and 9000")
    return instant


#: An instant that a client names; without a zone it is UTC.
GivenInstant = Annotated[datetime.datetime, AfterValidator(_sane), Field(examples=["2026-01-01T00:00:00Z"])]

#: A name that a client gives: short, and without the one character that no database takes.
GivenText = Annotated[str, Field(max_length=250, pattern=r"^[^\x00]*$")]
