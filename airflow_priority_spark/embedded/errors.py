# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses, as its own ``Status`` objects and sentences.

Clients, the Airflow provider and people all match on these messages, so they are the API server's word for
word (apimachinery ``pkg/api/errors/errors.go``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.kinds import Kind


class ApiError(Exception):
    """A refused request: HTTP code, machine-readable reason, the sentence, and the details for clients."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    def status(self) -> dict[str, Any]:
        """Return the body the API server would send."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        return {**body, "details": self.details} if self.details else body


def _named(kind: Kind, name: str) -> dict[str, Any]:
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}


def not_found(kind: Kind, name: str) -> ApiError:
    """404 for an object."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _named(kind, name))


def no_such_resource() -> ApiError:
    """404 for a resource that a served group does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(kind: Kind, name: str) -> ApiError:
    """409 at creation."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _named(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    """409 for a stale version or a precondition that does not hold."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _named(kind, name))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def uid_conflict(kind: Kind, name: str, wanted: str, found: str) -> ApiError:
    """409 when ``preconditions.uid`` names another object of the same name."""
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return conflict(kind, name, why)


def gone(wanted: int, oldest: int) -> ApiError:
    """410: the watch asks for events that are no longer kept."""
    return ApiError(410, "Expired", f"too old resource version: {wanted} ({oldest})")


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """403 by admission or by authorization."""
    target = f'{kind.resource} "{name}"' if name else kind.resource
    return ApiError(403, "Forbidden", f"{target} is forbidden: {why}", _named(kind, name))


def unauthorized() -> ApiError:
    """401: no token, or one nobody knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> ApiError:
    """400: the request cannot be read."""
    return ApiError(400, "BadRequest", message)


def method_not_allowed() -> ApiError:
    """405: the verb does not exist on this path."""
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
    )


def unsupported_media_type(found: str, allowed: Sequence[str]) -> ApiError:
    """415: a patch of a kind the API server does not know."""
    message = "the body of the request was in an unknown format - accepted media types include"
    return ApiError(415, "UnsupportedMediaType", f"{message}: {', '.join(allowed)} (got {found})")


def invalid(kind: Kind, name: str, causes: Sequence[tuple[str, str, str]]) -> ApiError:
    """422; each cause is (field, what the API server says about it, machine-readable reason)."""
    texts = [f"{field}: {message}" for field, message, _ in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        "name": name,
        **({"group": kind.group} if kind.group else {}),
        "kind": kind.kind,
        "causes": [
            {"reason": reason, "message": message, "field": field} for field, message, reason in causes
        ],
    }
    target = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return ApiError(422, "Invalid", f'{target} "{name}" is invalid: {joined}', details)
