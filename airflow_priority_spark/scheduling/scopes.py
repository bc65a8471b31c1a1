# SPDX-License-Identifier: Apache-2.0
"""Which pods a quota counts: its scopes.

A quota with scopes counts a pod only if every one of them holds for it; a quota for batch pods of
one priority class says nothing about the others.

Source: ``pkg/quota/v1/evaluator/core/pods.go`` (``podMatchesScopeFunc``, ``podMatchesSelector``: a pod
without a class satisfies ``NotIn`` and ``DoesNotExist``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airflow_priority_spark.scheduling.model import PodScope, QuotaScope
from airflow_priority_spark.scheduling.usage import Tally


def counts(scopes: Iterable[QuotaScope], pod: PodScope) -> bool:
    """Tell whether a quota with these scopes counts a pod; one without any counts all."""
    return all(_holds(scope, pod) for scope in scopes)


def _holds(scope: QuotaScope, pod: PodScope) -> bool:
    if scope.name == "PriorityClass":
        return _class_holds(scope, pod.priority_class)
    facts = {
        "Terminating": pod.deadline,
        "NotTerminating": not pod.deadline,
        "BestEffort": pod.best_effort,
        "NotBestEffort": not pod.best_effort,
        "CrossNamespacePodAffinity": pod.cross_namespace,
    }
    # A scope that a newer Kubernetes may know: counting too much never promises room that is gone.
    return facts.get(scope.name, True)


def _class_holds(scope: QuotaScope, priority_class: str) -> bool:
    if scope.operator == "In":
        return priority_class in scope.values
    if scope.operator == "NotIn":
        return priority_class not in scope.values
    return bool(priority_class) == (scope.operator == "Exists")


def counted(tallies: Mapping[PodScope, Tally], scopes: tuple[QuotaScope, ...]) -> Tally:
    """Return what a quota counts of some pods.

    :param tallies: the pods, by what scopes look at.
    """
    wanted = [tally for pod, tally in tallies.items() if counts(scopes, pod)]
    if len(wanted) == 1:
        return wanted[0]
    total = Tally()
    for tally in wanted:
        total.merge(tally)
    return total


def describe_scopes(scopes: Iterable[QuotaScope]) -> str:
    """Say scopes for people, e.g. ``PriorityClass in (high), NotTerminating``."""
    said = []
    for scope in scopes:
        listed = f" ({', '.join(scope.values)})" if scope.values else ""
        words = {"In": " in", "NotIn": " not in", "DoesNotExist": " none"}.get(scope.operator, "")
        said.append(f"{scope.name}{words}{listed}")
    return ", ".join(said)
