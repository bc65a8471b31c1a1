# SPDX-License-Identifier: Apache-2.0
"""What roles and bindings allow to users that the admin acts as (``kubectl --as``).

Holders of a token of this cluster may do everything but what a denial names; an impersonated user may do
nothing but what a binding gives. Source: kubernetes ``pkg/registry/rbac/validation/rule.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_priority_spark.embedded.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from airflow_priority_spark.embedded.store import Store

Rule = Mapping[str, Any]
_ACCOUNT = "system:serviceaccount"


@dataclass(frozen=True)
class Question:
    """A request as authorization sees it; ``resource`` with its subresource, as ``pods/log``."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str


class Rights:
    """Answers from the roles and bindings that are stored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allow(self, question: Question) -> bool:
        """Whether a binding gives this to the user."""
        return any(_covers(rule, question) for rule in self._rules(question))

    def _rules(self, question: Question) -> Iterator[Rule]:
        for record in self._store.all(CLUSTER_ROLE_BINDINGS):
            yield from self._bound(record.data, "", question.user)
        if question.namespace:
            for record in self._store.all(ROLE_BINDINGS, question.namespace):
                yield from self._bound(record.data, question.namespace, question.user)

    def _bound(self, binding: Mapping[str, Any], namespace: str, user: str) -> Iterator[Rule]:
        if not any(_is(subject, user) for subject in binding.get("subjects") or ()):
            return
        role = binding["roleRef"]
        cluster_wide = role["kind"] == "ClusterRole"
        place = "" if cluster_wide else namespace
        record = self._store.get(CLUSTER_ROLES if cluster_wide else ROLES, place, role["name"])
        yield from (record.data.get("rules") or ()) if record else ()


def groups(user: str) -> tuple[str, ...]:
    """Return the groups a user is in."""
    if not user.startswith(f"{_ACCOUNT}:"):
        return ("system:authenticated",)
    namespace = user.split(":")[2]
    return (f"{_ACCOUNT}s", f"{_ACCOUNT}s:{namespace}", "system:authenticated")


def _is(subject: Mapping[str, Any], user: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        return user == f"{_ACCOUNT}:{subject.get('namespace', '')}:{name}"
    return name in groups(user) if kind == "Group" else name == user


def _covers(rule: Rule, question: Question) -> bool:
    sub = question.resource.partition("/")[2]
    resources = ("*", question.resource, *((f"*/{sub}",) if sub else ()))
    names = rule.get("resourceNames") or ()
    return (
        bool({"*", question.verb} & set(rule.get("verbs") or ()))
        and bool({"*", question.group} & set(rule.get("apiGroups") or ()))
        and bool(set(resources) & set(rule.get("resources") or ()))
        and (not names or question.name in names)
    )
