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
from airflow_priority_spark.embedded.rights import Question, Rights

ADMIN = "kubernetes-admin"
ANONYMOUS = "system:anonymous"


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
        self._rights: Rights | None = None
        self._users = {token: user for user, token in self.tokens.items()}

    def user(self, authorization: str | None) -> str:
        """Return whose token an ``Authorization`` header carries, or raise 401; nobody's without one."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        user = self._users.get(token.strip())
        if scheme.lower() != "bearer" or user is None:
            raise unauthorized()
        return user

    def acting_as(self, user: str, other: str | None) -> str:
        """Return whom a request speaks for; raises 403 when the user may not impersonate."""
        if not other or other == user:
            return user
        if user != ADMIN:
            why = f'User "{user}" cannot impersonate resource "users" in API group "" at the cluster scope'
            message = f'users "{other}" is forbidden: {why}'
            raise ApiError(403, "Forbidden", message, {"name": other, "kind": "users"})
        return other

    def denied(self, question: Question) -> bool:
        """Whether a denial covers the request, or no binding does for a user without a token."""
        user, verb, resource = question.user, question.verb, question.resource
        if user not in self.tokens:
            return self._rights is None or not self._rights.allow(question)
        return any(denial.covers(user, verb, resource) for denial in self._denials)

    def use(self, rights: Rights) -> None:
        """Ask roles and bindings about users without a token."""
        self._rights = rights

    def check(self, user: str, verb: str, kind: Kind, namespace: str, name: str, subresource: str) -> None:
        """Raise 403 with the API server's sentence when the user may not do this."""
        resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
        if self.denied(Question(user, verb, kind.group, resource, namespace, name)):
            raise _refusal(user, verb, resource, kind, namespace, name)

    def review(self, user: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a ``SelfSubjectAccessReview``."""
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
        place, name = asked.get("namespace", ""), asked.get("name", "")
        question = Question(user, asked.get("verb", ""), asked.get("group", ""), resource, place, name)
        allowed = not self.denied(question)
        spec = body.get("spec") or {}
        if asked:
            known = {key: value for key, value in asked.items() if value != ""}
            spec = {**spec, "resourceAttributes": known}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": spec,
            "status": {"allowed": allowed, **({} if allowed else {"denied": True})},
        }


def _refusal(user: str, verb: str, resource: str, kind: Kind, namespace: str, name: str) -> ApiError:
    place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {place}'
    return forbidden(kind, name, why)
