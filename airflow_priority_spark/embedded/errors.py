# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses, as its own ``Status`` objects and sentences.

Clients, the Airflow provider and people all match on these messages, so they are the API server's word for
word (apimachinery ``pkg/api/errors/errors.go``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.kinds import Kind

# The field, what the API server says about it, and the machine-readable reason.
Cause = tuple[str, str, str]


class ApiError(Exception):
    """A refused request: HTTP code, machine-readable reason, the sentence, and the details for clients."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.metadata = dict(metadata or {})

    def status(self) -> dict[str, Any]:
        """Return the body the API server would send."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            "code": self.code,
        }
        detailed = self.details or self.reason in _DETAILED or self.message == _UNKNOWN_MEDIA_TYPE
        return {**body, "details": self.details} if detailed else body


_UNKNOWN_MEDIA_TYPE = "415: Unsupported Media Type"
# Written with details even when there are none.
_DETAILED = ("MethodNotAllowed", "NotFound", "Invalid", "Forbidden")


def _named(kind: Kind, name: str) -> dict[str, Any]:
    return {
        **({"name": name} if name else {}),
        **({"group": kind.group} if kind.group else {}),
        "kind": kind.plural,
    }


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


def uid_conflict(kind: Kind, name: str, wanted: str) -> ApiError:
    """422 when a patch names the uid of another object."""
    return invalid(
        kind, name, [("metadata.uid", f'Invalid value: "{wanted}": field is immutable', "FieldValueInvalid")]
    )


def precondition_failed(kind: Kind, name: str, field: str, wanted: str, found: str) -> ApiError:
    """409 when a precondition of a deletion does not hold."""
    target = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    why = (
        f"the {field} in the precondition ({wanted}) does not match the {field} in record ({found}). "
        "The object might have been deleted and then recreated"
    )
    if field == "ResourceVersion":
        why = why.replace("deleted and then recreated", "modified")
    details = {**_named(kind, name), "kind": kind.kind}
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {target} "{name}": {why}', details)


def storage_conflict(kind: Kind, key: tuple[str, str], wanted: str, found: str) -> ApiError:
    """409 when a replacement names the uid of another object."""
    place = "/".join(filter(None, ("/registry", kind.group, kind.plural, *key)))
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    storage = f"StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: "
    return conflict(kind, key[1], storage + why)


def binding_conflict(pod: str, why: str) -> ApiError:
    """409 when a pod has a node already."""
    details = {"name": pod, "kind": "pods/binding"}
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on pods/binding "{pod}": {why}', details)


def namespace_terminating(kind: Kind, name: str, namespace: str) -> ApiError:
    """403 for a new object in a namespace that is going."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(kind, name, why)
    message = f"namespace {namespace} is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
    error.details["causes"] = [cause]
    return error


def invalid_options(options: str, *causes: Cause) -> ApiError:
    """422 for request options such as ``DeleteOptions``."""
    details = {"group": "meta.k8s.io", "kind": options, "causes": _told(causes)}
    return ApiError(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: {_joined(causes)}', details)


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


def unsupported_media_type() -> ApiError:
    """415: a patch of a kind the API server does not know."""
    return ApiError(415, "UnsupportedMediaType", _UNKNOWN_MEDIA_TYPE)


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    """422, with its causes."""
    details = {
        **({"name": name} if name else {}),
        **({"group": kind.group} if kind.group else {}),
        "kind": kind.kind,
        "causes": _told(causes),
    }
    target = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return ApiError(422, "Invalid", f'{target} "{name}" is invalid: {_joined(causes)}', details)


def _told(causes: Sequence[Cause]) -> list[dict[str, str]]:
    return [{"reason": reason, "message": message, "field": field} for field, message, reason in causes]


def _joined(causes: Sequence[Cause]) -> str:
    texts = [f"{field}: {message}" for field, message, _ in causes]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
