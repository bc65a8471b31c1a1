# SPDX-License-Identifier: Apache-2.0
"""The event with which the arbiter resumes a waiting task.

It is the whole conversation from the queue to the worker: no call is made back. ``valid_until``
bounds how long the promise of capacity holds; a worker that comes later creates nothing and defers
again, at its position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from airflow_priority_spark.errors import InvalidRequest

Outcome = Literal["admitted", "legacy", "cancelled", "impossible", "unclaimed"]
OUTCOMES = ("admitted", "legacy", "cancelled", "impossible", "unclaimed")


@dataclass(frozen=True, slots=True)
class AdmissionEvent:
    """What a resumed task learns.

    :param outcome: ``admitted`` (create the application), ``legacy`` (create it without a grant),
        ``cancelled``/``impossible``/``unclaimed`` (fail with ``reason``).
    :param valid_until: POSIX seconds after which nothing may be created; 0 where it does not apply.
    :param admission: number of this admission of the job, from 1.
    :param waited_seconds: from enqueueing to admission.
    :param adopt: name of a living application of this task to attach to instead of creating one.
    :param history: lines about the wait, for the task log.
    """

    outcome: Outcome
    job_id: str = ""
    instance_id: str = ""
    queue: str = ""
    pool: str = ""
    admission: int = 0
    valid_until: float = 0.0
    waited_seconds: float = 0.0
    reason: str = ""
    adopt: str = ""
    retry: bool = False
    history: tuple[str, ...] = ()

    def to_payload(self) -> dict[str, Any]:
        """Return the trigger event's payload: plain JSON."""
        return {**asdict(self), "history": list(self.history)}

    @classmethod
    def from_payload(cls, payload: Any) -> AdmissionEvent:
        """Read a payload; unknown keys of a newer arbiter are ignored.

        :raises InvalidRequest: when it is not an admission event at all.
        """
        if not isinstance(payload, Mapping) or payload.get("outcome") not in OUTCOMES:
            raise InvalidRequest("event", payload, f"an admission event with outcome {', '.join(OUTCOMES)}")
        known = {name: payload[name] for name in cls.__slots__ if name in payload}
        known["history"] = tuple(str(line) for line in known.get("history", ()))
        return cls(**known)
