# SPDX-License-Identifier: Apache-2.0
"""Where a pod wants to be, by the labels of nodes and by the pods that are there already.

Sources: kubernetes ``pkg/scheduler/framework/plugins`` (nodeaffinity, interpodaffinity, podtopologyspread)
and component-helpers ``scheduling/corev1/nodeaffinity``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.objects import Object, is_terminating, labels_of

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NO_AFFINITY = "node(s) didn't match pod affinity rules"
NO_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
NO_EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"
NO_SPREAD = "node(s) didn't match pod topology spread constraints"
NO_SPREAD_LABEL = f"{NO_SPREAD} (missing required label)"

Labels = Mapping[str, str]
Domain = tuple[str, str]


def matches_node_affinity(pod: Object, node: Object) -> bool:
    """Whether a node satisfies a pod's node selector and required node affinity."""
    spec, labels = pod["spec"], labels_of(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if required is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        all(_holds(one, labels) for one in term.get("matchExpressions") or ())
        and all(_holds(one, fields) for one in term.get("matchFields") or ())
        for term in required.get("nodeSelectorTerms") or ()
        if term.get("matchExpressions") or term.get("matchFields")
    )


def selects(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether a ``LabelSelector`` selects labels; none selects nothing, an empty one everything."""
    if selector is None:
        return False
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def anti_affinity(pod: Object) -> Sequence[Mapping[str, Any]]:
    """Return the required terms by which a pod keeps others away."""
    affinity = pod["spec"].get("affinity") or {}
    return (affinity.get("podAntiAffinity") or {}).get(REQUIRED) or ()


def cares_for_others(pod: Object) -> bool:
    """Whether the pods that run decide where a pod may go: by affinity, anti-affinity or topology spread."""
    affinity = pod["spec"].get("affinity") or {}
    return bool(
        affinity.get("podAffinity")
        or affinity.get("podAntiAffinity")
        or pod["spec"].get("topologySpreadConstraints")
    )


class Neighbourhood:
    """What the pods that run mean for one pod; made once for all nodes it is tried on.

    :param nodes: every node, with its pods.
    :param guarded: the pods that have required anti-affinity of their own, with their nodes.
    :param labels_of_namespace: for terms that choose namespaces by their labels.
    """

    def __init__(
        self,
        pod: Object,
        nodes: Callable[[], Iterable[tuple[Object, Iterable[Object]]]],
        guarded: Iterable[tuple[Object, Object]],
        labels_of_namespace: Callable[[str], Labels] = lambda _: {},
    ) -> None:
        spec = pod["spec"]
        self._labels_of_namespace = labels_of_namespace
        self._near = ((spec.get("affinity") or {}).get("podAffinity") or {}).get(REQUIRED) or ()
        self._away = anti_affinity(pod)
        self._spread = [
            one
            for one in spec.get("topologySpreadConstraints") or ()
            if one.get("whenUnsatisfiable") == "DoNotSchedule"
        ]
        self._pod = pod
        everywhere = list(nodes()) if self._near or self._away or self._spread else []
        self._near_domains = [self._domains(term, everywhere) for term in self._near]
        self._away_domains = [self._domains(term, everywhere) for term in self._away]
        keys = [one["topologyKey"] for one in self._spread]
        counted = [item for item in everywhere if all(key in labels_of(item[0]) for key in keys)]
        self._counts = [_counts(one, pod, counted) for one in self._spread]
        self._kept_out = {
            (term["topologyKey"], labels_of(node)[term["topologyKey"]])
            for other, node in guarded
            for term in anti_affinity(other)
            if term["topologyKey"] in labels_of(node) and self._is_meant(term, other, pod)
        }

    def obstacle(self, node: Object) -> str | None:
        """Return why the pod cannot be on a node, or ``None``."""
        labels = labels_of(node)
        return self._uneven(labels) or self._unfriendly(labels)

    def _uneven(self, labels: Labels) -> str | None:
        for constraint, counts in zip(self._spread, self._counts, strict=True):
            place = labels.get(constraint["topologyKey"])
            if place is None:
                return NO_SPREAD_LABEL
            own = int(_is_spread(constraint, self._pod, self._pod))
            least = min(counts.values(), default=0)
            if len(counts) < constraint.get("minDomains", 1):
                least = 0
            if counts[place] + own - least > constraint["maxSkew"]:
                return NO_SPREAD
        return None

    def _unfriendly(self, labels: Labels) -> str | None:
        if self._near and not self._is_near(labels):
            return NO_AFFINITY
        for term, domains in zip(self._away, self._away_domains, strict=True):
            key = term["topologyKey"]
            if key in labels and (key, labels[key]) in domains:
                return NO_ANTI_AFFINITY
        if any(labels.get(key) == value for key, value in self._kept_out):
            return NO_EXISTING_ANTI_AFFINITY
        return None

    def _is_near(self, labels: Labels) -> bool:
        """Whether its friends are near; the first of a group that wants to be together may be anywhere."""
        keys = [term["topologyKey"] for term in self._near]
        if any(key not in labels for key in keys):
            return False
        if not any(self._near_domains):
            return all(self._is_meant(term, self._pod, self._pod) for term in self._near)
        return all((key, labels[key]) in found for key, found in zip(keys, self._near_domains, strict=True))

    def _domains(
        self, term: Mapping[str, Any], nodes: Iterable[tuple[Object, Iterable[Object]]]
    ) -> set[Domain]:
        key = term["topologyKey"]
        return {
            (key, labels_of(node)[key])
            for node, pods in nodes
            if key in labels_of(node) and any(self._is_meant(term, self._pod, other) for other in pods)
        }

    def _is_meant(self, term: Mapping[str, Any], owner: Object, other: Object) -> bool:
        """Whether a term of ``owner`` speaks about ``other``; the owner's namespace when it names none."""
        place, chosen = other["metadata"]["namespace"], term.get("namespaceSelector")
        named = term.get("namespaces") or ([owner["metadata"]["namespace"]] if chosen is None else [])
        inside = place in named or selects(chosen, self._labels_of_namespace(place))
        return inside and selects(term.get("labelSelector"), labels_of(other))


def _counts(
    constraint: Mapping[str, Any], pod: Object, nodes: Iterable[tuple[Object, Iterable[Object]]]
) -> Counter[str]:
    """Count matching pods per domain, on the nodes that the pod's own node affinity allows."""
    counts: Counter[str] = Counter()
    for node, pods in nodes:
        if not matches_node_affinity(pod, node) and constraint.get("nodeAffinityPolicy") != "Ignore":
            continue
        counts[labels_of(node)[constraint["topologyKey"]]] += sum(
            _is_spread(constraint, pod, other)
            for other in pods
            if other["metadata"]["namespace"] == pod["metadata"]["namespace"] and not is_terminating(other)
        )
    return counts


def _is_spread(constraint: Mapping[str, Any], pod: Object, other: Object) -> bool:
    """Whether ``other`` is one of those that ``pod`` is to be spread with."""
    own, labels = labels_of(pod), labels_of(other)
    alike = all(labels.get(key) == own[key] for key in constraint.get("matchLabelKeys") or () if key in own)
    return alike and selects(constraint.get("labelSelector"), labels)


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    values: Sequence[str] = expression.get("values") or ()
    found = labels.get(expression["key"])
    if expression["operator"] in ("Gt", "Lt"):
        try:
            number, bound = int(found or ""), int(values[0])
        except ValueError:
            return False
        return number > bound if expression["operator"] == "Gt" else number < bound
    return {
        "In": found in values,
        "NotIn": found not in values,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }[expression["operator"]]
