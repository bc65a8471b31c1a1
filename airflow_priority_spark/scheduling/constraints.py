# SPDX-License-Identifier: Apache-2.0
"""Where a pod may run besides its selector: required affinity, anti-affinity, hard topology spread.

Only what is required is here: what a pod merely prefers never keeps it from running. Terms are plain
tuples, so that equal constraints are equal values and pods that share them are interchangeable.

Sources: ``k8s.io/component-helpers/scheduling/corev1/nodeaffinity`` (node terms are alternatives, the
requirements of one are all needed, an empty term matches nothing); ``k8s.io/apimachinery/pkg/labels``
(``Requirement.Matches``: ``NotIn`` and ``DoesNotExist`` hold for a label that is not there);
``pkg/scheduler/framework/types.go`` (``AffinityTerm.Matches``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, NamedTuple

#: The label every namespace carries with its own name.
NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
HOSTNAME: Final = "kubernetes.io/hostname"


#: No label's value begins with it.
_CONCEALED: Final = "#"


@lru_cache(maxsize=4096)
def conceal(value: str) -> str:
    """Return a stand-in for a label's value that can be compared but not read.

    What a DAG author writes into labels is nobody's business but the cluster's; whether two labels are
    equal is all that affinity asks.
    """
    return _CONCEALED + sha256(value.encode()).hexdigest()[:16]


class Requirement(NamedTuple):
    """One expression about a label or a node's field.

    :param operator: ``In``, ``NotIn``, ``Exists``, ``DoesNotExist``; for nodes also ``Gt`` and ``Lt``.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether some labels satisfy it; an unknown operator holds for none."""
        found = labels.get(self.key)
        if self.operator == "In":
            return self._has(found)
        if self.operator == "NotIn":
            return not self._has(found)
        if self.operator == "Exists":
            return found is not None
        if self.operator == "DoesNotExist":
            return found is None
        return self._compares(found)

    def _has(self, found: str | None) -> bool:
        if found is None or found in self.values:
            return found is not None
        if found.startswith(_CONCEALED):
            return any(conceal(value) == found for value in self.values)
        return any(value.startswith(_CONCEALED) and conceal(found) == value for value in self.values)

    def _compares(self, found: str | None) -> bool:
        try:
            number, bound = int(found or ""), int(self.values[0])
        except (ValueError, IndexError):
            return False
        if self.operator == "Gt":
            return number > bound
        return self.operator == "Lt" and number < bound


Requirements = tuple[Requirement, ...]


def all_hold(requirements: Iterable[Requirement], labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy all requirements; no requirement is satisfied by all."""
    return all(one.holds(labels) for one in requirements)


class NodeTerm(NamedTuple):
    """One alternative of a required node affinity.

    :param labels: what the node's labels must satisfy.
    :param fields: what its fields must satisfy; Kubernetes knows only ``metadata.name``.
    """

    labels: Requirements = ()
    fields: Requirements = ()

    def accepts(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a node satisfies this alternative."""
        return bool(self.labels or self.fields) and (
            all_hold(self.labels, labels) and all_hold(self.fields, {"metadata.name": name})
        )


class PodTerm(NamedTuple):
    """Some pods, and a label that says which nodes count as one place.

    :param topology_key: nodes with the same value of this label are one domain.
    :param selector: the pods that are meant; ``None`` means none, an empty one all.
    :param namespaces: where they are; none named (and no selector) means the pod's own namespace.
    :param namespace_selector: the namespaces with these labels as well; an empty one means all.
    :param job: only pods of the ``same`` job, or of ``other`` ones; what a demand says whose pods get a
        label that is not known before they exist (``matchLabelKeys: [spark-app-selector]``).
    """

    topology_key: str
    selector: Requirements | None = ()
    namespaces: tuple[str, ...] = ()
    namespace_selector: Requirements | None = None
    job: Literal["", "same", "other"] = ""

    @property
    def crosses_namespaces(self) -> bool:
        """Tell whether it names namespaces, whichever: a quota may forbid that."""
        return bool(self.namespaces) or self.namespace_selector is not None


class Spread(NamedTuple):
    """A hard topology spread constraint (``whenUnsatisfiable: DoNotSchedule``).

    :param max_skew: a domain may have so many matching pods more than the one with the fewest.
    :param min_domains: while there are fewer domains than this, the fewest counts as zero.
    :param job: as for ``PodTerm``.
    :param honor_affinity: nodes that the pod's own selector and affinity exclude are not domains.
    :param honor_taints: neither are nodes whose taints it does not tolerate.
    """

    topology_key: str
    max_skew: int = 1
    selector: Requirements | None = ()
    min_domains: int = 1
    job: Literal["", "same", "other"] = ""
    honor_affinity: bool = True
    honor_taints: bool = False


class Affinity(NamedTuple):
    """Everything a pod requires of where it runs.

    :param nodes: alternatives; none means any node.
    :param near: pods that must be in the same domain already.
    :param apart: pods that must not be in the same domain.
    """

    nodes: tuple[NodeTerm, ...] = ()
    near: tuple[PodTerm, ...] = ()
    apart: tuple[PodTerm, ...] = ()
    spread: tuple[Spread, ...] = ()

    @property
    def is_social(self) -> bool:
        """Tell whether it depends on where other pods are."""
        return bool(self.near or self.apart or self.spread)


NO_AFFINITY: Final = Affinity()


def accepts_node(nodes: tuple[NodeTerm, ...], name: str, labels: Mapping[str, str]) -> bool:
    """Tell whether a required node affinity accepts a node."""
    return not nodes or any(term.accepts(name, labels) for term in nodes)


def describe_requirement(one: Requirement) -> str:
    """Say a requirement as a person would, e.g. ``disk=ssd``, ``zone in (a, b)`` or ``no label spot``."""
    values = ["…" if value.startswith(_CONCEALED) else value for value in one.values]
    if one.operator == "In" and len(values) == 1:
        return f"{one.key}={values[0]}"
    listed = f"({', '.join(values)})"
    said: dict[str, str] = {
        "In": f"{one.key} in {listed}",
        "NotIn": f"{one.key} not in {listed}",
        "Exists": f"label {one.key}",
        "DoesNotExist": f"no label {one.key}",
        "Gt": f"{one.key} > {', '.join(one.values)}",
        "Lt": f"{one.key} < {', '.join(one.values)}",
    }
    return said.get(one.operator, f"{one.key} {one.operator} {listed}")


def describe_requirements(requirements: Requirements | None) -> str:
    """Say all requirements of a selector of pods."""
    if requirements is None:
        return "no pod at all"
    return " and ".join(map(describe_requirement, requirements)) or "any label"


def describe_node_terms(nodes: tuple[NodeTerm, ...]) -> str:
    """Say a required node affinity, e.g. ``zone in (a, b) or zone=c and disk=ssd``."""
    return " or ".join(
        " and ".join(map(describe_requirement, (*term.labels, *term.fields))) or "nothing" for term in nodes
    )


def means(term: PodTerm | Spread, owner: str, namespace_labels: NamespaceLabels) -> Callable[[str], bool]:
    """Return a function that tells whether a term is about the pods of a namespace.

    :param owner: the namespace of the pod that has the term.
    :param namespace_labels: of the namespaces that are known.
    """
    if isinstance(term, Spread) or not term.crosses_namespaces:
        return lambda namespace: namespace == owner
    selector = term.namespace_selector

    def is_meant(namespace: str) -> bool:
        if namespace in term.namespaces:
            return True
        if selector is None:
            return False
        labels = namespace_labels.get(namespace) or {NAMESPACE_NAME: namespace}
        return all_hold(selector, labels)

    return is_meant


NamespaceLabels = Mapping[str, Mapping[str, str]]
