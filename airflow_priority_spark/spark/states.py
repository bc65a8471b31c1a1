# SPDX-License-Identifier: Apache-2.0
"""The states a SparkApplication goes through, as the Kubeflow operator writes them.

Only two of them are final. ``FAILING`` may become a rerun, ``SUBMISSION_FAILED`` may be tried again,
and a state that a later operator invents is simply not final: waiting is the only safe answer.

Source: ``api/v1beta2/sparkapplication_types.go`` (``ApplicationStateType``), spark-operator v2.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NEW: Final = ""
SUBMITTED: Final = "SUBMITTED"
RUNNING: Final = "RUNNING"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"

#: With its numbers; where a text was cut before they end, only the quota's name.
_REFUSAL: Final = re.compile(
    r'exceeded quota: (?:[^\n]*?limited: [^\s"]+|[^\s,"]+)'
    r'|failed to validate resource quota(?: "[^"\n]{0,253}")?'
)

TERMINAL: Final = frozenset({COMPLETED, FAILED})


def is_terminal(state: str) -> bool:
    """Tell whether the operator will not change this state any more."""
    return state in TERMINAL


def is_quota_refusal(message: str) -> bool:
    """Tell whether the API server or the operator's webhook refused a pod or application for its quota.

    Source: ``plugin/pkg/admission/resourcequota`` ("exceeded quota: NAME, requested: …"), and the
    operator's ``sparkapplication_validator.go`` ("failed to validate resource quota").
    """
    return bool(quota_refusal(message))


def quota_refusal(message: str) -> str:
    """Return the last refusal in a text, from the quota's name to its numbers, empty when there is none.

    What stands around it (an answer of the API server, a log) may quote what nobody else should see.
    """
    found = _REFUSAL.findall(message)
    return str(found[-1]).rstrip(".,;") if found else ""


@dataclass(frozen=True, slots=True)
class ApplicationStatus:
    """What we follow of a SparkApplication.

    :param state: the operator's state, empty before the operator has seen the application.
    :param message: the operator's error message, empty when there is none.
    :param driver_pod: the driver pod's name as the operator reports it, empty before it is known.
    :param terminating: somebody asked for its deletion.
    """

    name: str
    uid: str
    state: str = NEW
    message: str = ""
    driver_pod: str = ""
    terminating: bool = False


def read_status(application: Mapping[str, Any]) -> ApplicationStatus:
    """Read a SparkApplication as the API server returns it; absent parts are empty."""
    metadata = application.get("metadata") or {}
    status = application.get("status") or {}
    state = status.get("applicationState") or {}
    return ApplicationStatus(
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
        state=str(state.get("state") or NEW),
        message=str(state.get("errorMessage") or ""),
        driver_pod=str((status.get("driverInfo") or {}).get("podName") or ""),
        terminating=bool(metadata.get("deletionTimestamp")),
    )
