# SPDX-License-Identifier: Apache-2.0
"""Who is where, and whom that keeps away: pod affinity, anti-affinity, topology spread.

For every term that somebody asks about, the pods that it means are counted by domain (the nodes with
the same value of its topology key), and the counts follow as pods are placed. Whether a pod may go
to a node is then a few look-ups. Nothing here is made for a cluster in which nobody cares.

Sources: kubernetes ``pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`` (a pod that wants
company counts the pods that match *all* its terms; the first of a group that matches itself may go
anywhere; pods that are there keep others away by their own anti-affinity) and
``podtopologyspread/filtering.go`` (only nodes with all topology keys count; terminating pods do not;
a selector that selects everything counts nobody).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from airflow_priority_spark.scheduling.constraints import (
    NamespaceLabels,
    PodTerm,
    Spread,
    accepts_node,
    all_hold,
    means,
)
from airflow_priority_spark.scheduling.model import NodeView
from airflow_priority_spark.scheduling.taints import untolerated
from airflow_priority_spark.scheduling.usage import Company, Shape

Matches = Callable[[Company], bool]
Obstacle = Literal["near", "apart", "guard", "spread", "label"]


class Watch:
    """Counts the pods that somebody means, by domain.

    :param key: the topology key.
    :param included: nodes whose pods count and whose domains exist; ``None``: all.
    """

    __slots__ = ("_known", "_levels", "_matches", "counts", "included", "key")

    def __init__(self, key: str, matches: Matches, included: Mapping[int, str] | None = None) -> None:
        self.key, self._matches, self.included = key, matches, included
        self.counts: dict[str, int] = {}
        self._known: dict[Company, bool] = {}
        self._levels: dict[int, int] = {}
        if included is not None:
            self.counts = dict.fromkeys(included.values(), 0)
            self._levels = {0: len(self.counts)}

    def means(self, company: Company) -> bool:
        """Tell whether a pod is meant."""
        known = self._known.get(company)
        if known is None:
            known = self._known[company] = self._matches(company)
        return known

    def count(self, domain: str, number: int) -> None:
        """Count pods that are meant."""
        before = self.counts.get(domain, 0)
        self.counts[domain] = before + number
        if self.included is not None:
            self._levels[before] -= 1
            if not self._levels[before]:
                del self._levels[before]
            self._levels[before + number] = self._levels.get(before + number, 0) + 1

    def fewest(self, min_domains: int) -> int:
        """Return how many pods the domain with the fewest has; zero while there are too few domains."""
        return min(self._levels, default=0) if len(self.counts) >= min_domains else 0

    def nobody(self) -> bool:
        """Tell whether no pod that is meant is anywhere."""
        return not any(number > 0 for number in self.counts.values())


class Guard(NamedTuple):
    """Pods that keep others away, by domain.

    :param means: tells whom.
    """

    key: str
    means: Matches
    domains: dict[str, int]


class Rule(NamedTuple):
    """A spread constraint of one pod, and how many pods of its kind are where."""

    constraint: Spread
    watch: Watch
    itself: int


class Society:
    """All pods of a cluster and the nodes they are on.

    :param nodes: in the order of their numbers.
    :param residents: pods by the number of their node.
    """

    def __init__(
        self,
        nodes: Sequence[NodeView],
        namespace_labels: NamespaceLabels,
        residents: Iterable[tuple[int, Company]],
    ) -> None:
        self._nodes, self._namespace_labels = nodes, namespace_labels
        self._present: dict[tuple[int, Company], int] = defaultdict(int)
        self._watches: dict[object, Watch] = {}
        self._guards: dict[tuple[PodTerm, str, str | None], Guard] = {}
        #: In the order in which they came; it only grows.
        self.guards: list[Guard] = []
        self._labels: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        for node, company in residents:
            self.add(node, company, 1)

    def add(self, node: int, company: Company, number: int) -> None:
        """Count pods that came to a node, or with a negative number left it."""
        self._present[node, company] += number
        labels = self._nodes[node].labels
        for watch in self._watches.values():
            self._count(watch, node, company, number)
        for term in company.affinity.apart:
            key = (term, company.namespace, company.job_id if term.job else None)
            guard = self._guards.get(key)
            if guard is None:
                guard = self._guards[key] = Guard(term.topology_key, self.matcher(term, company), {})
                self.guards.append(guard)
            domain = labels.get(term.topology_key)
            if domain is not None:
                guard.domains[domain] = guard.domains.get(domain, 0) + number

    def _count(self, watch: Watch, node: int, company: Company, number: int) -> None:
        domain = (
            self._nodes[node].labels.get(watch.key) if watch.included is None else watch.included.get(node)
        )
        if domain is not None and watch.means(company):
            watch.count(domain, number)

    def _watch(self, key: object, make: Callable[[], Watch]) -> Watch:
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = make()
            for (node, company), number in self._present.items():
                if number:
                    self._count(watch, node, company, number)
        return watch

    def matcher(self, term: PodTerm | Spread, owner: Company) -> Matches:
        """Return a function that tells whether a term of ``owner`` means a pod."""
        is_there = means(term, owner.namespace, self._namespace_labels)
        selector, job = term.selector, term.job

        def matches(other: Company) -> bool:
            if selector is None or (job and (other.job_id == owner.job_id) != (job == "same")):
                return False
            return is_there(other.namespace) and all_hold(selector, self.labels_of(other))

        return matches

    def labels_of(self, company: Company) -> Mapping[str, str]:
        """Return a pod's labels by name."""
        found = self._labels.get(company.labels)
        if found is None:
            found = self._labels[company.labels] = dict(company.labels)
        return found

    def near(self, company: Company) -> tuple[list[Watch], bool]:
        """Return, for each term of a pod that wants company, who is there; and whether it suits itself."""
        terms = company.affinity.near
        matchers = [self.matcher(term, company) for term in terms]

        def matches(other: Company) -> bool:
            return all(match(other) for match in matchers)

        whose = (company.namespace, company.job_id if any(term.job for term in terms) else None)
        watches = [
            self._watch(("near", terms, key, whose), partial(Watch, key, matches))
            for key in (term.topology_key for term in terms)
        ]
        return watches, matches(company)

    def apart(self, company: Company) -> list[Watch]:
        """Return, for each term of a pod that keeps away from others, where these are."""
        found = []
        for term in company.affinity.apart:
            whose = (company.namespace, company.job_id if term.job else None)
            make = partial(Watch, term.topology_key, self.matcher(term, company))
            found.append(self._watch(("apart", term, whose), make))
        return found

    def spread(self, company: Company, shape: Shape) -> list[Rule]:
        """Return the spread constraints of a pod, with the counts they are about."""
        rules = []
        keys = tuple(one.topology_key for one in company.affinity.spread)
        for one in company.affinity.spread:
            matches = self.matcher(one, company)

            make = partial(self._spread_watch, one, keys, shape, matches)
            whose = (company.namespace, company.job_id if one.job else None)
            watch = self._watch(("spread", one, keys, shape[1:], whose), make)
            rules.append(Rule(one, watch, int(matches(company))))
        return rules

    def _spread_watch(self, one: Spread, keys: Sequence[str], shape: Shape, matches: Matches) -> Watch:
        def counts(other: Company) -> bool:
            return bool(one.selector) and not other.terminating and matches(other)

        return Watch(one.topology_key, counts, self._included(one, keys, shape))

    def _included(self, constraint: Spread, keys: Sequence[str], shape: Shape) -> dict[int, str]:
        """Return the nodes that count for a constraint, with their domains."""
        found = {}
        for index, node in enumerate(self._nodes):
            if not all(key in node.labels for key in keys):
                continue
            if constraint.honor_affinity and not _is_eligible(node, shape):
                continue
            if constraint.honor_taints and untolerated(node.taints, shape.tolerations):
                continue
            found[index] = node.labels[constraint.topology_key]
        return found


class Neighbours:
    """What the pods of a cluster mean for one pod; it stays true while pods are placed."""

    def __init__(self, society: Society, company: Company, shape: Shape, nodes: Sequence[NodeView]) -> None:
        self._society, self._company, self._nodes = society, company, nodes
        self._near, self._suits_itself = society.near(company)
        self._apart = society.apart(company)
        self._spread = society.spread(company, shape)
        self._guards: list[Guard] = []
        self._seen = 0

    def obstacle(self, node: int) -> Obstacle | None:
        """Return what keeps the pod from a node; ``label``: the node is in no domain at all."""
        labels = self._nodes[node].labels
        return self._uneven(labels) or self._alone(labels) or self._unwelcome(labels)

    def is_free(self) -> bool:
        """Tell whether nothing could keep the pod from anywhere."""
        return not (self._company.affinity.is_social or self._guards_that_mean_it())

    def _guards_that_mean_it(self) -> list[Guard]:
        every = self._society.guards
        if self._seen < len(every):
            self._guards += [guard for guard in every[self._seen :] if guard.means(self._company)]
            self._seen = len(every)
        return self._guards

    def _uneven(self, labels: Mapping[str, str]) -> Obstacle | None:
        for constraint, watch, itself in self._spread:
            domain = labels.get(constraint.topology_key)
            if domain is None:
                return "label"
            fewest = watch.fewest(constraint.min_domains)
            if watch.counts.get(domain, 0) + itself - fewest > constraint.max_skew:
                return "spread"
        return None

    def _alone(self, labels: Mapping[str, str]) -> Obstacle | None:
        if not self._near:
            return None
        domains = [labels.get(watch.key) for watch in self._near]
        if None in domains:
            return "label"
        there = all(
            watch.counts.get(domain or "", 0) > 0 for watch, domain in zip(self._near, domains, strict=True)
        )
        if there or (self._suits_itself and all(watch.nobody() for watch in self._near)):
            return None
        return "near"

    def _unwelcome(self, labels: Mapping[str, str]) -> Obstacle | None:
        for watch in self._apart:
            domain = labels.get(watch.key)
            if domain is not None and watch.counts.get(domain, 0) > 0:
                return "apart"
        for guard in self._guards_that_mean_it():
            domain = labels.get(guard.key)
            if domain is not None and guard.domains.get(domain, 0) > 0:
                return "guard"
        return None


def _is_eligible(node: NodeView, shape: Shape) -> bool:
    selected = all(node.labels.get(name) == value for name, value in shape.node_selector)
    return selected and accepts_node(shape.nodes, node.name, node.labels)
