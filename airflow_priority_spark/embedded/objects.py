# SPDX-License-Identifier: Apache-2.0
"""Time, identity and small questions about API objects."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Object = Mapping[str, Any]

# The letters of generated names upstream (apimachinery ``pkg/util/rand``): no vowels, no words by accident.
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class _Clock:
    """The cluster's clock: this machine's, but for the fault ``clock-skew``."""

    skew = timedelta(0)


def set_clock_skew(seconds: float) -> None:
    """Make the cluster's clock go ahead of this machine's, or behind."""
    _Clock.skew = timedelta(seconds=seconds)


def current_time() -> datetime:
    """Return what the cluster's clock shows."""
    return datetime.now(UTC) + _Clock.skew


def timestamp(moment: datetime | None = None) -> str:
    """Return a moment (default: now) as ``metav1.Time`` prints it, in whole seconds."""
    return (moment or current_time()).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp() -> str:
    """Return now as ``metav1.MicroTime`` prints it."""
    return current_time().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """Read a timestamp of the API."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_until(text: str) -> float:
    """Return the seconds from now to a timestamp of the API; negative once it has passed."""
    return (moment(text) - current_time()) / timedelta(seconds=1)


def new_uid() -> str:
    """Return a fresh object identity."""
    return str(uuid.uuid4())


def generated_name(prefix: str) -> str:
    """Return a name as ``generateName`` makes it: the prefix, cut to 58 characters, and five letters."""
    return prefix[:58] + "".join(random.choices(_NAME_LETTERS, k=5))


def labels_of(obj: Object) -> Mapping[str, str]:
    """Return the labels of an object, or none."""
    return obj["metadata"].get("labels") or {}


def is_finished(pod: Object) -> bool:
    """Whether a pod has succeeded or failed: it holds neither quota nor node any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_terminating(obj: Object) -> bool:
    """Whether an object has been asked to go."""
    return "deletionTimestamp" in obj["metadata"]


def owner_reference(owner: Object, *, controller: bool = True) -> dict[str, Any]:
    """Return a reference that makes ``owner`` the owner of another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def event_about(about: Object, severity: str, reason: str, message: str, component: str) -> dict[str, Any]:
    """Return an Event as client-go's recorder writes it; severity is ``Normal`` or ``Warning``."""
    metadata = about["metadata"]
    now = timestamp()
    return {
        "metadata": {
            "name": generated_name(f"{metadata['name']}."[:58]),
            "namespace": metadata.get("namespace", "default"),
        },
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": severity,
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "eventTime": None,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": f"{component}-embedded",
    }
