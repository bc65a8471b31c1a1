# SPDX-License-Identifier: Apache-2.0
"""A naive opinion on affinity and spread, sharing no code with the product.

It reads the rules of the documentation word by word and tries every assignment of pods to nodes, each
pod checked at the moment it is bound, in the order in which Kubernetes creates them.
"""

from __future__ import annotations


def holds(requirement, labels):
    found = labels.get(requirement.key)
    return {
        "In": found is not None and found in requirement.values,
        "NotIn": found is None or found not in requirement.values,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }[requirement.operator]


class Resident:
    """A pod on a node."""

    def __init__(self, namespace, labels, job, affinity, node, terminating=False):
        self.namespace, self.labels, self.job = namespace, dict(labels), job
        self.affinity, self.node, self.terminating = affinity, node, terminating


def is_meant(term, owner, other):
    """Tell whether a pod affinity term of ``owner`` speaks of ``other``."""
    if term.selector is None or not all(holds(one, other.labels) for one in term.selector):
        return False
    if (term.job == "same" and owner.job != other.job) or (term.job == "other" and owner.job == other.job):
        return False
    if not term.namespaces and term.namespace_selector is None:
        return owner.namespace == other.namespace
    everywhere = term.namespace_selector == ()
    return everywhere or other.namespace in term.namespaces


def may_run(pod, shape, node, residents, nodes):
    """Tell whether the constraints of a new pod, and those of the pods that are there, let it on a node."""
    if shape.affinity.nodes and not any(node_term_holds(term, node) for term in shape.affinity.nodes):
        return False
    return (
        is_near(pod, node, residents, nodes)
        and is_apart(pod, node, residents, nodes)
        and is_even(pod, shape, node, residents, nodes)
    )


def node_term_holds(term, node):
    exists = bool(term.labels or term.fields)
    return (
        exists
        and all(holds(one, node.labels) for one in term.labels)
        and all(holds(one, {"metadata.name": node.name}) for one in term.fields)
    )


def is_near(pod, node, residents, nodes):
    terms = pod.affinity.near
    if not terms:
        return True
    if any(term.topology_key not in node.labels for term in terms):
        return False
    friends = [other for other in residents if all(is_meant(term, pod, other) for term in terms)]
    anywhere = any(term.topology_key in nodes[friend.node].labels for friend in friends for term in terms)
    if not anywhere:
        return all(is_meant(term, pod, pod) for term in terms)
    return all(
        any(
            nodes[friend.node].labels.get(term.topology_key) == node.labels[term.topology_key]
            for friend in friends
        )
        for term in terms
    )


def is_apart(pod, node, residents, nodes):
    for other in residents:
        for owner, who in ((pod, other), (other, pod)):
            for term in owner.affinity.apart:
                here, there = (place.labels.get(term.topology_key) for place in (node, nodes[other.node]))
                if is_meant(term, owner, who) and here is not None and here == there:
                    return False
    return True


def is_even(pod, shape, node, residents, nodes):
    constraints = pod.affinity.spread
    for one in constraints:
        if one.topology_key not in node.labels:
            return False
        eligible = {
            place.name: place.labels[one.topology_key]
            for place in nodes.values()
            if all(other.topology_key in place.labels for other in constraints)
            and (not one.honor_affinity or is_eligible(shape, place))
        }
        counts = dict.fromkeys(eligible.values(), 0)
        for other in residents:
            if other.node in eligible and not other.terminating and other.namespace == pod.namespace:
                selected = bool(one.selector) and all(holds(r, other.labels) for r in one.selector)
                counts[eligible[other.node]] += selected
        own = one.selector is not None and all(holds(r, pod.labels) for r in one.selector)
        fewest = min(counts.values(), default=0) if len(counts) >= one.min_domains else 0
        if counts.get(node.labels[one.topology_key], 0) + own - fewest > one.max_skew:
            return False
    return True


def is_eligible(shape, node):
    labels = all(node.labels.get(name) == value for name, value in shape.node_selector)
    terms = shape.affinity.nodes
    return labels and (not terms or any(node_term_holds(term, node) for term in terms))


def some_placement_exists(cluster, jobs, accepts):
    """Tell whether all pods of some jobs can be bound one after the other, job by job, driver first.

    :param accepts: node and pod set → selector and taints let it run there.
    """
    nodes = {node.name: node for node in cluster.nodes}
    residents = [
        Resident(pod.namespace, pod.labels, pod.job_id, pod.affinity, pod.node, pod.terminating)
        for pod in cluster.pods
        if pod.node in nodes and pod.counts_node
    ]
    room = _Room(cluster, jobs)
    todo = [(job, pods) for job in jobs for pods in job.demand.pod_sets for _ in range(max(0, pods.count))]

    def bind(index):
        if index == len(todo):
            return True
        job, pods = todo[index]
        for name, node in nodes.items():
            pod = Resident(job.queue.namespace, pods.labels, job.job_id, pods.affinity, name)
            if not (node.ready and accepts(node, pods) and room.holds(name, pods)):
                continue
            if not may_run(pod, pods, node, residents, nodes):
                continue
            residents.append(pod)
            room.take(name, pods)
            if bind(index + 1):
                return True
            residents.pop()
            room.take(name, pods, times=-1)
        return False

    return bind(0)


class _Room:
    """What is left of every node."""

    def __init__(self, cluster, jobs):
        asked = {name for job in jobs for pods in job.demand.pod_sets for name in pods.requests}
        self.names = sorted({"cpu", "memory", "pods"} | asked)
        self.left = {node.name: {key: node.allocatable[key] for key in self.names} for node in cluster.nodes}
        for pod in cluster.pods:
            if pod.node in self.left and pod.counts_node:
                self.take(pod.node, pod)

    def need(self, pod):
        return {key: 1 if key == "pods" else pod.requests[key] for key in self.names}

    def holds(self, node, pod):
        return not any(0 < amount > self.left[node][key] for key, amount in self.need(pod).items())

    def take(self, node, pod, times=1):
        for key, amount in self.need(pod).items():
            self.left[node][key] -= times * amount
