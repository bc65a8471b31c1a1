# SPDX-License-Identifier: Apache-2.0
"""Generated clusters in which pods care who is around them: few nodes, two zones, few labels."""

from __future__ import annotations

from hypothesis import strategies as st

from airflow_priority_spark.scheduling.constraints import (
    Affinity,
    NodeTerm,
    PodTerm,
    Requirement,
    Spread,
)
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Demand,
    NodeView,
    PodSet,
    PodView,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.resources import Resources

GIB = 2**30
NAMESPACES = ("team-a", "team-b")
KEYS = ("zone", "kubernetes.io/hostname")
LABELS = ((), (("app", "x"),), (("app", "y"),), (("app", "x"), ("role", "e")))
SELECTORS = (
    (Requirement("app", "In", ("x",)),),
    (Requirement("app", "In", ("x", "y")),),
    (Requirement("app", "NotIn", ("x",)),),
    (Requirement("role", "Exists"),),
    (Requirement("role", "DoesNotExist"),),
    (),
    None,
)
NODE_TERMS = (
    NodeTerm((Requirement("zone", "In", ("a",)),)),
    NodeTerm((Requirement("zone", "NotIn", ("a",)),)),
    NodeTerm((), (Requirement("metadata.name", "In", ("n0", "n2")),)),
    NodeTerm(),
)


@st.composite
def terms(draw) -> PodTerm:
    return PodTerm(
        draw(st.sampled_from(KEYS)),
        draw(st.sampled_from(SELECTORS)),
        draw(st.sampled_from(((), (), (), ("team-b",)))),
        draw(st.sampled_from((None, None, None, ()))),
        draw(st.sampled_from(("", "", "", "same", "other"))),
    )


@st.composite
def spreads(draw) -> Spread:
    return Spread(
        draw(st.sampled_from(KEYS)),
        draw(st.sampled_from((1, 1, 2))),
        draw(st.sampled_from(SELECTORS)),
        draw(st.sampled_from((1, 1, 3))),
        honor_affinity=draw(st.booleans()),
    )


def some(items, most=1):
    return st.lists(items, max_size=most).map(tuple)


@st.composite
def affinities(draw) -> Affinity:
    which = draw(st.integers(0, 5))
    return Affinity(
        nodes=draw(some(st.sampled_from(NODE_TERMS), 2)) if which == 0 else (),
        near=draw(some(terms(), 2)) if which in (1, 5) else (),
        apart=draw(some(terms(), 2)) if which in (2, 5) else (),
        spread=draw(some(spreads(), 2)) if which == 3 else (),
    )


@st.composite
def pod_sets(draw, name, count) -> PodSet:
    cpu = draw(st.sampled_from((500, 1000, 1000, 2000)))
    return PodSet(
        name,
        count,
        Resources({"cpu": cpu, "memory": GIB}),
        affinity=draw(affinities()),
        labels=draw(st.sampled_from(LABELS)),
    )


FEW_JOBS = st.integers(1, 3)


@st.composite
def social_snapshots(draw, jobs=FEW_JOBS) -> Snapshot:
    """Return one cluster's picture; every pod that is there has a node."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 4)))]
    nodes = []
    for name in names:
        labels = {"kubernetes.io/hostname": name, "zone": draw(st.sampled_from(("a", "b")))}
        if draw(st.integers(0, 7)) == 0:
            del labels[draw(st.sampled_from(KEYS))]
        nodes.append(
            NodeView(
                name,
                Resources({"cpu": draw(st.sampled_from((1000, 2000, 4000))), "memory": 8 * GIB, "pods": 5}),
                labels,
                ready=draw(st.integers(0, 9)) > 0,
            )
        )
    pods = [
        PodView(
            draw(st.sampled_from(NAMESPACES)),
            f"p{number}",
            draw(st.sampled_from(names)),
            Resources({"cpu": draw(st.sampled_from((0, 500))), "memory": GIB}),
            job_id=draw(st.sampled_from((None, "other"))),
            affinity=draw(affinities())._replace(nodes=()),
            labels=draw(st.sampled_from(LABELS)),
            terminating=draw(st.integers(0, 5)) == 0,
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    queues = tuple(QueueView(QueueKey("social", name), (PoolView("normal", 10),)) for name in NAMESPACES)
    waiting = []
    for number in range(draw(jobs)):
        sets = [draw(pod_sets("driver", 1))]
        count = draw(st.integers(0, 3))
        if count:
            sets.append(draw(pod_sets("executor", count)))
        queue = draw(st.sampled_from(queues))
        waiting.append(
            QueuedJob(f"job-{number}", queue.key, "normal", (float(number), 0), Demand(tuple(sets)))
        )
    cluster = ClusterView("social", tuple(nodes), tuple(pods))
    return Snapshot((cluster,), queues, tuple(waiting), (), Rules())
