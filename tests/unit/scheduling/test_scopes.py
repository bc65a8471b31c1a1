# SPDX-License-Identifier: Apache-2.0
"""Quotas with scopes and scopeSelectors count, and limit, only the pods they are about."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Demand, PodScope, QuotaScope, describe_blocked
from tests.property.scheduling.builders import admitted, cluster, job, keys, pod, pod_set, quota, snapshot

SMALL = keys(requests_cpu="1")


def scoped(*scopes, hard=SMALL, name="scoped"):
    return replace(quota(hard, name=name), scopes=scopes)


def wants(scope):
    return Demand((pod_set("driver", 1, "2", scope=scope),))


def starts(view, scope):
    return admitted(decide(snapshot(view, [job("a", wants(scope))]), 0.0)) == ["a"]


@pytest.mark.parametrize(
    ("scope", "counted", "passed"),
    [
        (QuotaScope("Terminating"), PodScope(deadline=True), PodScope()),
        (QuotaScope("NotTerminating"), PodScope(), PodScope(deadline=True)),
        (QuotaScope("BestEffort"), PodScope(best_effort=True), PodScope()),
        (QuotaScope("NotBestEffort"), PodScope(), PodScope(best_effort=True)),
        (QuotaScope("CrossNamespacePodAffinity"), PodScope(cross_namespace=True), PodScope()),
        (QuotaScope("PriorityClass", "In", ("gold",)), PodScope("gold"), PodScope("silver")),
        (QuotaScope("PriorityClass", "NotIn", ("gold",)), PodScope("silver"), PodScope("gold")),
        (QuotaScope("PriorityClass", "Exists"), PodScope("gold"), PodScope()),
        (QuotaScope("PriorityClass", "DoesNotExist"), PodScope(), PodScope("gold")),
    ],
    ids=lambda value: f"{value.name} {value.operator}" if isinstance(value, QuotaScope) else "",
)
def test_a_quota_limits_only_the_pods_its_scope_is_about(scope, counted, passed):
    view = cluster(quotas=[scoped(scope)])

    assert not starts(view, counted)
    assert starts(view, passed)


def test_all_scopes_of_a_quota_must_hold():
    view = cluster(quotas=[scoped(QuotaScope("PriorityClass", "In", ("gold",)), QuotaScope("Terminating"))])

    assert starts(view, PodScope("gold"))
    assert not starts(view, PodScope("gold", deadline=True))


def test_pods_outside_its_scope_use_nothing_of_a_quota():
    others = [pod("p", cpu="3", scope=PodScope("silver"))]
    view = cluster(quotas=[scoped(QuotaScope("PriorityClass", "In", ("gold",)), hard=keys(requests_cpu="4"))])

    assert starts(replace(view, pods=tuple(others)), PodScope("gold"))
    mine = (pod("p", cpu="3", scope=PodScope("gold")),)
    assert not starts(replace(view, pods=mine), PodScope("gold"))


def test_the_default_priority_class_counts_for_pods_that_name_none():
    view = cluster(
        quotas=[scoped(QuotaScope("PriorityClass", "In", ("gold",)))], default_priority_class="gold"
    )

    assert not starts(view, PodScope())
    assert starts(replace(view, default_priority_class=""), PodScope())


def test_a_scoped_quota_beside_a_plain_one_is_named_when_it_binds():
    view = cluster(
        quotas=[
            quota(keys(requests_cpu="10")),
            scoped(QuotaScope("PriorityClass", "In", ("gold",)), hard=keys(requests_cpu="4")),
        ],
        pods=[pod("p", cpu="3", scope=PodScope("gold"))],
    )

    decisions = decide(snapshot(view, [job("a", wants(PodScope("gold")))]), 0.0)

    assert describe_blocked(decisions.blocked["a"]).startswith("cpu: needs 2 CPU, 1 CPU free of quota scoped")
