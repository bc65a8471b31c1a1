# SPDX-License-Identifier: Apache-2.0
"""A pod as large as one of a job's pods, and allowed where that one is allowed.

The job's manifest never leaves its worker, so what stands for its pods is made from the demand: amounts,
selector, tolerations, affinity. The labels of a demand are concealed, so what stands for its pods cannot
carry them; terms that are about pods of the same job are written with labels of ours, others are left
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_priority_spark.scheduling.constraints import NodeTerm, PodTerm, Requirement, Spread, all_hold
from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.scheduling.resources import Resources, is_cpu
from airflow_priority_spark.spark.identity import LABEL_PLACEHOLDER_FOR, LABEL_POD_SET


def container(pods: PodSet, name: str, image: str) -> dict[str, Any]:
    """Return one container that asks for all that a pod of a set asks for, as harmless as a pod can be."""
    return {
        "name": name,
        "image": image,
        "resources": {"requests": quantities(pods.requests), "limits": quantities(_limits(pods))},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 65535,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _limits(pods: PodSet) -> Resources:
    """Return the limits; what a device plugin offers must be limited to what is requested."""
    devices = {name: amount for name, amount in pods.requests.items() if "/" in name}
    return Resources({**devices, **pods.limits.as_dict()})


def quantities(amounts: Resources) -> dict[str, str]:
    """Return amounts as Kubernetes quantities, e.g. ``{"cpu": "500m", "memory": "1073741824"}``."""
    return {name: f"{amount}m" if is_cpu(name) else str(amount) for name, amount in sorted(amounts.items())}


def where(pods: PodSet, demand: Demand, job_id: str) -> dict[str, Any]:
    """Return the fields of a pod's spec that say where pods of a set may run.

    :param demand: of which the set is part.
    :param job_id: whose placeholders stand for the pods of the demand.
    """
    tolerations = [{name: text for name, text in one._asdict().items() if text} for one in pods.tolerations]
    affinity: dict[str, Any] = {}
    if pods.affinity.nodes:
        affinity["nodeAffinity"] = _required(
            {"nodeSelectorTerms": list(map(_node_term, pods.affinity.nodes))}
        )
    for field, terms in (("podAffinity", pods.affinity.near), ("podAntiAffinity", pods.affinity.apart)):
        found = [
            {"topologyKey": term.topology_key, "labelSelector": selector}
            for term in terms
            if (selector := _same_job(term, demand, job_id))
        ]
        if found:
            affinity[field] = _required(found)
    spread = [
        _spread(term, selector)
        for term in pods.affinity.spread
        if (selector := _same_job(term, demand, job_id))
    ]
    return {
        "nodeSelector": dict(pods.node_selector),
        "tolerations": tolerations,
        "affinity": affinity,
        "topologySpreadConstraints": spread,
    }


def _required(terms: object) -> dict[str, Any]:
    return {"requiredDuringSchedulingIgnoredDuringExecution": terms}


def _node_term(term: NodeTerm) -> dict[str, Any]:
    found = {"matchExpressions": _expressions(term.labels), "matchFields": _expressions(term.fields)}
    return {name: expressions for name, expressions in found.items() if expressions}


def _expressions(requirements: Iterable[Requirement]) -> list[dict[str, Any]]:
    return [
        {"key": one.key, "operator": one.operator, **({"values": list(one.values)} if one.values else {})}
        for one in requirements
    ]


def _spread(term: Spread, selector: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "topologyKey": term.topology_key,
        "maxSkew": term.max_skew,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
        **({"minDomains": term.min_domains} if term.min_domains > 1 else {}),
    }


def _same_job(term: PodTerm | Spread, demand: Demand, job_id: str) -> Mapping[str, Any] | None:
    """Return the selector of a job's own placeholders that a term is about; ``None``: of none of them."""
    if term.selector is None or term.job == "other":
        return None
    meant = tuple(pods.name for pods in demand.pod_sets if all_hold(term.selector, dict(pods.labels)))
    mine = (
        Requirement(LABEL_PLACEHOLDER_FOR, "In", (job_id,)),
        Requirement(LABEL_POD_SET, "In", meant),
    )
    return {"matchExpressions": _expressions(mine)} if meant else None
