# SPDX-License-Identifier: Apache-2.0
"""What a pod requires of where it runs and of whom it has around it, read from its spec.

The same reader serves a manifest, whose pods do not exist yet, and pods of the cluster. The
difference is labels that are known only once a pod exists: a term that compares by one of these
(``matchLabelKeys: [spark-app-selector]``) means the pods of the same job.

Sources: ``k8s.io/api/core/v1/types.go`` (``Affinity``, ``TopologySpreadConstraint``);
``pkg/registry/core/pod/strategy.go`` (``applyMatchLabelKeysAndMismatchLabelKeys``: a key that the pod does
not have is ignored); ``pkg/quota/v1/evaluator/core/pods.go`` (``usesCrossNamespacePodAffinity``: preferred
terms count as well).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.constraints import (
    NO_AFFINITY,
    Affinity,
    NodeTerm,
    PodTerm,
    Requirement,
    Requirements,
    Spread,
)
from airflow_priority_spark.spark.identity import LABEL_JOB

#: Labels that each job's pods share and no other job's pods have; their values come with the pods.
JOB_LABELS: Final = frozenset(
    {
        "spark-app-selector",
        "spark-app-name",
        "sparkoperator.k8s.io/app-name",
        "sparkoperator.k8s.io/submission-id",
        LABEL_JOB,
    }
)
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_POD_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
_NODE_OPERATORS: Final = (*_POD_OPERATORS, "Gt", "Lt")

Job = Literal["", "same", "other"]


def affinity_of(
    spec: Mapping[str, Any], labels: Mapping[str, str], where: str = "spec", *, strict: bool = True
) -> Affinity:
    """Read the constraints of a pod.

    :param spec: a pod's spec, as JSON.
    :param labels: of the pod, as far as they are known.
    :param where: the place of the spec, for errors.
    :param strict: off for a pod that the API server has taken: a newer one may know more than we do, and
        an operator we do not know holds for nothing.
    :raises InvalidManifest: when strict, naming the field.
    """
    affinity, spread = spec.get("affinity") or {}, spec.get("topologySpreadConstraints") or ()
    if not affinity and not spread:
        return NO_AFFINITY
    reader = _Reader(labels, where, strict=strict)
    required = (affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {}
    near, apart = (
        (affinity.get(kind) or {}).get(_REQUIRED) or () for kind in ("podAffinity", "podAntiAffinity")
    )
    found = Affinity(
        nodes=tuple(reader.node_term(term) for term in required.get("nodeSelectorTerms") or ()),
        near=tuple(reader.pod_term(term, "podAffinity") for term in near),
        apart=tuple(reader.pod_term(term, "podAntiAffinity") for term in apart),
        spread=tuple(
            reader.spread(item)
            for item in spread
            if item.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
        ),
    )
    return found if any(found) else NO_AFFINITY


def looks_elsewhere(spec: Mapping[str, Any]) -> bool:
    """Tell whether a (anti-)affinity term of a pod, even a preferred one, names namespaces."""
    affinity = spec.get("affinity") or {}
    terms: list[Mapping[str, Any]] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms += rules.get(_REQUIRED) or ()
        terms += [item.get("podAffinityTerm") or {} for item in rules.get(_PREFERRED) or ()]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


class _Reader:
    """Reads terms; knows the pod's labels and where to say that something is wrong."""

    def __init__(self, labels: Mapping[str, str], where: str, *, strict: bool) -> None:
        self._labels, self._where, self._strict = labels, where, strict

    def node_term(self, term: Mapping[str, Any]) -> NodeTerm:
        where = f"{self._where}.affinity.nodeAffinity"
        return NodeTerm(
            self._requirements(term.get("matchExpressions") or (), where, _NODE_OPERATORS),
            self._requirements(term.get("matchFields") or (), where, _NODE_OPERATORS),
        )

    def pod_term(self, term: Mapping[str, Any], kind: str) -> PodTerm:
        where = f"{self._where}.affinity.{kind}"
        selector, job = self._compared(term, where)
        other = term.get("namespaceSelector")
        return PodTerm(
            self._topology_key(term, where),
            selector,
            tuple(sorted(map(str, term.get("namespaces") or ()))),
            None if other is None else self._selector(other, f"{where}.namespaceSelector"),
            job,
        )

    def spread(self, item: Mapping[str, Any]) -> Spread:
        where = f"{self._where}.topologySpreadConstraints"
        selector, job = self._compared(item, where)
        return Spread(
            self._topology_key(item, where),
            self._whole(item.get("maxSkew", 1), f"{where}.maxSkew"),
            selector,
            self._whole(item.get("minDomains") or 1, f"{where}.minDomains"),
            job,
            honor_affinity=item.get("nodeAffinityPolicy", "Honor") != "Ignore",
            honor_taints=item.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )

    def _topology_key(self, term: Mapping[str, Any], where: str) -> str:
        key = term.get("topologyKey")
        if not isinstance(key, str) or not key:
            raise InvalidManifest(f"{where}.topologyKey", key, "a node label, such as kubernetes.io/hostname")
        return key

    def _compared(self, term: Mapping[str, Any], where: str) -> tuple[Requirements | None, Job]:
        """Return a term's selector with what the labels of the pod itself add to it."""
        raw = term.get("labelSelector")
        selector = None if raw is None else list(self._selector(raw, f"{where}.labelSelector"))
        if selector is None:
            return None, ""
        job: Job = ""
        keys: Iterable[tuple[str, str, Job]] = [
            *((str(key), "In", "same") for key in term.get("matchLabelKeys") or ()),
            *((str(key), "NotIn", "other") for key in term.get("mismatchLabelKeys") or ()),
        ]
        for key, operator, whose in keys:
            if key in self._labels:
                requirement = Requirement(key, operator, (self._labels[key],))
                selector += [requirement] if requirement not in selector else []
            elif key in JOB_LABELS:
                job = whose
        return tuple(selector), job

    def _selector(self, raw: Mapping[str, Any], where: str) -> Requirements:
        exact = [
            Requirement(str(key), "In", (str(value),))
            for key, value in sorted((raw.get("matchLabels") or {}).items())
        ]
        rest = self._requirements(raw.get("matchExpressions") or (), where, _POD_OPERATORS)
        return (*exact, *rest)

    def _requirements(
        self, items: Sequence[Mapping[str, Any]], where: str, operators: Sequence[str]
    ) -> Requirements:
        found = []
        for item in items:
            operator = item.get("operator")
            if self._strict and operator not in operators:
                raise InvalidManifest(f"{where}.operator", operator, ", ".join(operators))
            values = tuple(sorted(str(value) for value in item.get("values") or ()))
            found.append(Requirement(str(item.get("key") or ""), str(operator), values))
        return tuple(found)

    def _whole(self, value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidManifest(where, value, "a whole number of at least 1")
        return value
