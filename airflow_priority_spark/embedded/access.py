# SPDX-License-Identifier: Apache-2.0
"""Who may do what: bearer tokens, and denials that tests and rehearsals ask for.

Everyone with a known token may do everything except what a denial names, so that "no permission to list
quotas" can be shown with the API server's own sentence.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, forbidden, unauthorized
from airflow_priority_spark.embedded.kinds import Kind

ADMIN = "kubernetes-admin"


@dataclass(frozen=True)
class Denial:
    """A user may not apply a verb to a resource; ``*`` stands for every verb or resource."""

    user: str
    verb: str
    resource: str

    def covers(self, user: str, verb: str, resource: str) -> bool:
        """Whether this denial speaks about the request."""
        return self.user == user and self.verb in ("*", verb) and self.resource in ("*", resource)


class Access:
    """Authentication and authorization.

    :param denials: what users other than the admin may not do; each user named gets a token.
    """

    def __init__(self, denials: Iterable[Denial] = ()) -> None:
        self._denials = tuple(denials)
        users = dict.fromkeys([ADMIN, *(denial.user for denial in self._denials)])
        self.tokens = {user: secrets.token_urlsafe(24) for user in users}
        self._users = {token: user for user, token in self.tokens.items()}

    def user(self, authorization: str | None) -> str:
        """Return whose token an ``Authorization`` header carries, or raise 401."""
        scheme, _, token = (authorization or "").partition(" ")
        user = self._users.get(token.strip())
        if scheme.lower() != "bearer" or user is None:
            raise unauthorized()
        return user

    def denied(self, user: str, verb: str, resource: str) -> bool:
        """Whether a denial covers the request."""
        return any(denial.covers(user, verb, resource) for denial in self._denials)

    def check(self, user: str, verb: str, kind: Kind, namespace: str, name: str, subresource: str) -> None:
        """Raise 403 with the API server's sentence when the user may not do this."""
        resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
        if self.denied(user, verb, resource):
            raise _refusal(user, verb, resource, kind, namespace, name)

    def review(self, user: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a ``SelfSubjectAccessReview``."""
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
        allowed = not self.denied(user, asked.get("verb", ""), resource)
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": body.get("spec") or {},
            "status": {"allowed": allowed, **({} if allowed else {"denied": True})},
        }


def _refusal(user: str, verb: str, resource: str, kind: Kind, namespace: str, name: str) -> ApiError:
    place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {place}'
    return forbidden(kind, name, why)
