# SPDX-License-Identifier: Apache-2.0
"""Who goes where: rules that assign a priority pool, lists of who may use one, and deployment flows.

All three look at facts of a job that its author cannot write into the request: they are read from
Airflow's tables. Patterns are shell patterns (``*``, ``?``, ``[…]``), compared with case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.store.models import FlowOverride, PoolRule

#: List of patterns → how people call what it is compared with.
KINDS: Final = {"dag_ids": "DAG", "tags": "tag", "teams": "team", "bundles": "bundle"}
#: Scopes of flow overrides, the most specific first.
FLOW_SCOPES: Final = ("dag_id", "team", "namespace", "site")


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at; ``None``: there is none."""

    dag_id: str
    namespace: str
    tags: tuple[str, ...] = ()
    team: str | None = None
    bundle: str | None = None

    def of(self, kind: str) -> tuple[str, ...]:
        """Return what a list of patterns is compared with.

        :param kind: a key of ``KINDS``.
        """
        if kind == "tags":
            return self.tags
        value = {"dag_ids": self.dag_id, "teams": self.team, "bundles": self.bundle}[kind]
        return (value,) if value else ()


def _matches(patterns: Iterable[str], values: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns for value in values)


def refusal(allowed: Mapping[str, Any] | None, facts: Facts, where: str) -> str:
    """Say who may use a pool when this job may not; empty when it may.

    Whoever matches one pattern of any list may; where all lists are empty, anyone may.

    :param where: the pool, for the sentence: ``team-a/high``.
    """
    lists = {kind: list(allowed.get(kind) or ()) for kind in KINDS} if allowed else {}
    if not any(lists.values()) or any(_matches(lists[kind], facts.of(kind)) for kind in lists):
        return ""
    named = "; ".join(f"{KINDS[kind]} {', '.join(patterns)}" for kind, patterns in lists.items() if patterns)
    return f"priority pool {where} is not open to {describe(facts, lists)}; allowed: {named}"


def describe(facts: Facts, kinds: Iterable[str] = tuple(KINDS)) -> str:
    """Say who a job is: ``DAG etl, tag nightly, no team``."""
    said = [f"DAG {facts.dag_id}"]
    for kind in kinds:
        if kind != "dag_ids":
            values = ", ".join(facts.of(kind))
            said.append(f"{KINDS[kind]} {values}" if values else f"no {KINDS[kind]}")
    return ", ".join(said)


def assigned_pool(rules: Sequence[PoolRule], facts: Facts) -> tuple[int, str] | None:
    """Return number and pool of the first rule that fits: one pattern of every list it has, its namespace.

    :param rules: in the order in which they are tried; they are numbered from 1.
    """
    for number, rule in enumerate(rules, start=1):
        lists = [(kind, patterns) for kind in KINDS if (patterns := getattr(rule, kind))]
        if rule.namespace in (None, facts.namespace) and all(
            _matches(patterns, facts.of(kind)) for kind, patterns in lists
        ):
            return number, rule.pool
    return None


@dataclass(frozen=True, slots=True)
class PoolChoice:
    """The pool a job gets, or why it gets none."""

    pool: str
    refusal: str = ""


def choose_pool(
    rules: Sequence[PoolRule], facts: Facts, asked: str, pools: Mapping[str, Mapping[str, Any] | None]
) -> PoolChoice:
    """Return the pool of a new job: a rule's, else the one it asks for, if there is one and it may use it.

    :param pools: of its queue: name → who may use it.
    """
    rule = assigned_pool(rules, facts)
    pool = rule[1] if rule else asked
    if pool not in pools:
        field = f"pool of rule {rule[0]} for {facts.namespace}" if rule else "priority"
        return PoolChoice(pool, str(InvalidInput(field, pool, ", ".join(sorted(pools)))))
    return PoolChoice(pool, refusal(pools[pool], facts, f"{facts.namespace}/{pool}"))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What the site decides about new jobs.

    :param rules: that assign pools, in the order in which they are tried.
    :param flows: that operators set, by scope and value.
    """

    rules: Sequence[PoolRule]
    flows: Mapping[tuple[str, str], str]

    def flow_of(self, facts: Facts, asked: str) -> str:
        """Return the flow of a job: that of the most specific override, else the one it asks for."""
        values = {"dag_id": facts.dag_id, "team": facts.team, "namespace": facts.namespace, "site": ""}
        for scope in FLOW_SCOPES:
            value = values[scope]
            if value is not None and (found := self.flows.get((scope, value))):
                return found
        return asked


def read_rulebook(session: Session) -> Rulebook:
    """Read what the site decides about new jobs (two statements)."""
    rules = session.scalars(select(PoolRule).order_by(PoolRule.position, PoolRule.id)).all()
    rows = session.execute(select(FlowOverride.scope, FlowOverride.value, FlowOverride.flow))
    return Rulebook(rules, {(row.scope, row.value): row.flow for row in rows})
