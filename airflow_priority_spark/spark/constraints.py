# SPDX-License-Identifier: Apache-2.0
"""Where a driver or executor may run: node selectors, tolerations, required node affinity.

They come from the pod template, from Spark's configuration and from the manifest's fields, in this
order; later ones win. A required affinity that says no more than a selector counts as one; any other is
said, because the nodes it leaves are not counted.

Sources: Spark's ``BasicDriverFeatureStep``/``BasicExecutorFeatureStep`` (``addToNodeSelector``); the
operator's ``sparkpod_defaulter.go`` (``addNodeSelectors``, ``addTolerations``, ``addAffinity``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.model import Toleration
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
    """Return required node affinity as labels, where it is nothing more; warn where it is."""
    affinity = reading.fields(role).get("affinity") or reading.template(role).get("affinity") or {}
    required = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    terms = (required or {}).get("nodeSelectorTerms") or []
    expressions = [item for term in terms for item in (term.get("matchExpressions") or [])]
    simple = len(terms) <= 1 and all(
        item.get("operator") == "In" and len(item.get("values") or ()) == 1 for item in expressions
    )
    only_labels = simple and not any(term.get("matchFields") for term in terms)
    pods = any((affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
               for kind in ("podAffinity", "podAntiAffinity"))  # fmt: skip
    if pods or not only_labels:
        reading.warnings.append(
            f"spec.{role}.affinity: what it requires is not looked at when room on nodes is counted"
        )
    return [(str(item["key"]), str(item["values"][0])) for item in expressions] if only_labels else []
