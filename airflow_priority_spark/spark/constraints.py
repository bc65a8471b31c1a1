# SPDX-License-Identifier: Apache-2.0
"""Where a driver or executor may run: node selectors, tolerations, affinity, topology spread, quota scopes.

They come from the pod template, from Spark's configuration and from the manifest's fields, in this
order; later ones win. A required node affinity that says no more than a selector counts as one.

Sources: Spark's ``BasicDriverFeatureStep``/``BasicExecutorFeatureStep`` (``addToNodeSelector``, the labels of
``KubernetesDriverConf`` and ``KubernetesExecutorConf``); the operator's ``sparkpod_defaulter.go``
(``addNodeSelectors``, ``addTolerations``, ``addAffinity``, ``addPriorityClassName``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.constraints import NO_AFFINITY, Affinity, conceal
from airflow_priority_spark.scheduling.model import PodScope, Toleration
from airflow_priority_spark.spark.affinity import affinity_of, looks_elsewhere
from airflow_priority_spark.spark.reading import Reading, Role


def node_selector(reading: Reading, role: Role) -> tuple[tuple[str, str], ...]:
    """Return the labels a node must carry for this pod."""
    found: dict[str, tuple[str, str]] = {}
    where = f"spec.{role}"

    def take(labels: Mapping[str, Any], source: str) -> None:
        found.update({str(name): (str(value), source) for name, value in labels.items()})

    take(reading.template(role).get("nodeSelector") or {}, f"{where}.template")
    for prefix in ("spark.kubernetes.node.selector.", f"spark.kubernetes.{role}.node.selector."):
        for name, setting in reading.conf.prefixed(prefix).items():
            take({name: setting.value}, setting.source)
    take(reading.fields(role).get("nodeSelector") or {}, f"{where}.nodeSelector")
    for name, value in _required_labels(reading, role):
        take({name: value}, f"{where}.affinity")
    for name, (value, source) in sorted(found.items()):
        reading.explain.append(f"{role} node selector: {name}={value} ({source})")
    return tuple(sorted((name, value) for name, (value, _) in found.items()))


def tolerations(reading: Reading, role: Role) -> tuple[Toleration, ...]:
    """Return the taints this pod tolerates.

    :raises InvalidManifest: naming the toleration whose operator is unknown.
    """
    found = []
    for entry in [
        *(reading.template(role).get("tolerations") or []),
        *(reading.fields(role).get("tolerations") or []),
    ]:
        operator = entry.get("operator") or "Equal"
        if operator not in ("Exists", "Equal"):
            raise InvalidManifest(f"spec.{role}.tolerations.operator", operator, "Exists or Equal")
        text = {name: str(entry.get(name) or "") for name in ("key", "value", "effect")}
        checked = cast("Any", operator)
        found.append(Toleration(text["key"], checked, text["value"], text["effect"]))
        said = text["key"] or "every taint"
        value = f"={text['value']}" if text["value"] else ""
        reading.explain.append(f"{role} toleration: {said}{value} {text['effect']}".rstrip())
    return tuple(found)


def _required_labels(reading: Reading, role: Role) -> list[tuple[str, str]]:
    """Return required node affinity as labels, where it is nothing more."""
    affinity = _affinity_fields(reading, role)
    required = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    terms = (required or {}).get("nodeSelectorTerms") or []
    expressions = [item for term in terms for item in (term.get("matchExpressions") or [])]
    simple = len(terms) <= 1 and all(
        item.get("operator") == "In" and len(item.get("values") or ()) == 1 for item in expressions
    )
    only_labels = simple and not any(term.get("matchFields") for term in terms)
    return [(str(item["key"]), str(item["values"][0])) for item in expressions] if only_labels else []


def _affinity_fields(reading: Reading, role: Role) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        reading.fields(role).get("affinity") or reading.template(role).get("affinity") or {}
    )
    return found


def pod_labels(reading: Reading, role: Role) -> dict[str, str]:
    """Return the labels that the pods will carry, as far as they are known before they exist.

    What authors write into them is concealed (``conceal``): this goes into the database.
    """
    template = (reading.fields(role).get("template") or {}).get("metadata") or {}
    settings = reading.conf.prefixed(f"spark.kubernetes.{role}.label.")
    labels = {
        **(template.get("labels") or {}),
        **{name: setting.value for name, setting in settings.items()},
        **(reading.fields(role).get("labels") or {}),
    }
    concealed = {str(name): conceal(str(value)) for name, value in labels.items()}
    return {**concealed, "spark-role": role, "sparkoperator.k8s.io/launched-by-spark-operator": "true"}


def affinity(reading: Reading, role: Role) -> Affinity:
    """Return what else the pods require: node affinity beyond labels, other pods, topology spread.

    :raises InvalidManifest: naming the field.
    """
    spec = {**reading.template(role), "affinity": _affinity_fields(reading, role)}
    found = affinity_of(spec, pod_labels(reading, role), f"spec.{role}")
    if _required_labels(reading, role):
        found = found._replace(nodes=())
    for what, part in (
        ("node affinity", found.nodes),
        ("pod affinity", found.near),
        ("pod anti-affinity", found.apart),
        ("topology spread", found.spread),
    ):
        if part:
            reading.explain.append(f"{role} {what}: {len(part)} required (spec.{role})")
    return found if any(found) else NO_AFFINITY


def scope(reading: Reading, role: Role) -> PodScope:
    """Return what the scopes of quotas look at; a Spark pod always asks for CPU and memory."""
    template = reading.template(role)
    name = reading.fields(role).get("priorityClassName") or template.get("priorityClassName") or ""
    if name:
        reading.explain.append(f"{role} priority class: {name} (spec.{role})")
    return PodScope(
        priority_class=str(name),
        deadline=template.get("activeDeadlineSeconds") is not None,
        cross_namespace=looks_elsewhere({"affinity": _affinity_fields(reading, role)}),
    )
