# SPDX-License-Identifier: Apache-2.0
"""Generated snapshots: small, crowded and odd, so that everything collides with everything.

``snapshots()`` holds what the arbiter may meet; ``odd_snapshots()`` also what it should never write
(unknown queues, negative room, weights of zero, duplicate promises), for totality.
"""

from __future__ import annotations

from hypothesis import strategies as st

from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Demand,
    Grant,
    Ineligible,
    NodeView,
    PodSet,
    PodView,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
    QuotaView,
    Rules,
    Snapshot,
    Taint,
    Toleration,
)
from airflow_priority_spark.scheduling.resources import Resources
from tests.property.scheduling.builders import limit_range, protecting

GIB = 2**30
NAMESPACES = ("team-a", "team-b")
GPU = "nvidia.com/gpu"
QUOTA_KEYS = (
    "cpu",
    "requests.memory",
    "limits.memory",
    "pods",
    "count/pods",
    f"requests.{GPU}",
    "count/services",
)
SELECTORS = ((), (), (), (("disk", "ssd"),))
TAINTS = ((), (), (), (Taint("spark", "only"),), (Taint("old", effect="PreferNoSchedule"),))
WEIGHTS, ALWAYS = st.integers(1, 100), st.just(True)
TOLERATIONS = ((), (Toleration("spark", "Exists"),))


@st.composite
def requests(draw, gpus=True) -> Resources:
    cpu = draw(st.sampled_from((250, 500, 1000, 1000, 2000)))
    amounts = {"cpu": cpu, "memory": draw(st.integers(1, 4)) * GIB // 2}
    if gpus and draw(st.integers(0, 19)) == 7:
        amounts[GPU] = draw(st.integers(1, 2))
    return Resources(amounts)


@st.composite
def pod_sets(draw, name, count) -> PodSet:
    asked = draw(requests())
    return PodSet(
        name,
        count,
        asked,
        Resources({"memory": asked["memory"]}) if draw(st.integers(0, 39)) != 7 else Resources(),
        draw(st.sampled_from(SELECTORS)),
        draw(st.sampled_from(TOLERATIONS)),
    )


@st.composite
def demands(draw) -> Demand:
    driver = draw(pod_sets("driver", 1))
    executors = draw(pod_sets("executor", draw(st.sampled_from((0, 1, 2, 4)))))
    return Demand((driver, executors), Resources({"count/services": 1}))


@st.composite
def nodes(draw, name) -> NodeView:
    amounts = {
        "cpu": draw(st.sampled_from((2000, 4000, 8000))),
        "memory": draw(st.sampled_from((4, 8, 16))) * GIB,
        "pods": draw(st.sampled_from((3, 110))),
        GPU: draw(st.sampled_from((0, 0, 2))),
    }
    labels = {"host": name, "disk": draw(st.sampled_from(("ssd", "hdd")))}
    return NodeView(
        name, Resources(amounts), labels, draw(st.sampled_from(TAINTS)), draw(st.integers(0, 9)) != 7
    )


@st.composite
def quotas(draw, namespace, name) -> QuotaView:
    names = draw(st.sets(st.sampled_from(QUOTA_KEYS), min_size=1, max_size=4))
    scale = {"cpu": 1000, "requests.memory": GIB, "limits.memory": GIB}
    hard = {
        key: draw(st.sampled_from((12, 8, 16, 24, 2, 0) if key != f"requests.{GPU}" else (2, 0)))
        * scale.get(key, 1)
        for key in sorted(names)
    }
    used = {key: draw(st.sampled_from((0, 0, 1, 5))) * scale.get(key, 1) for key in sorted(names)}
    return QuotaView(namespace, name, Resources(hard), Resources(used), frozenset(names))


@st.composite
def foreign_pods(draw, name, node_names) -> PodView:
    on = draw(st.sampled_from((*node_names, None)))
    return PodView(
        draw(st.sampled_from((*NAMESPACES, "web"))),
        name,
        on,
        draw(requests()),
        # Some carry the label of a job that may be another namespace's: copied, or forged.
        job_id=draw(st.sampled_from((None, None, None, "run-0", "run-1"))),
        pod_set="executor",
        counts_quota=draw(st.booleans()),
        counts_node=draw(st.integers(0, 4)) > 0,
        node_selector=draw(st.sampled_from(SELECTORS)),
        tolerations=draw(st.sampled_from(TOLERATIONS)),
    )


@st.composite
def own_pods(draw, grant: Grant, node_names) -> list[PodView]:
    """Return some of a grant's pods, bound or not."""
    found = []
    for pods in grant.demand.pod_sets:
        for index in range(draw(st.integers(0, pods.count + 1))):
            found.append(
                PodView(
                    grant.queue.namespace,
                    f"{grant.job_id}-{pods.name}-{index}",
                    draw(st.sampled_from((*node_names, None))),
                    pods.requests,
                    pods.limits,
                    grant.job_id,
                    pods.name,
                    counts_quota=draw(st.integers(0, 5)) > 0,
                    node_selector=pods.node_selector,
                    tolerations=pods.tolerations,
                )
            )
    return found


@st.composite
def queue_views(draw, key, weights=WEIGHTS, jobs=("job-0", "job-1", "job-2")) -> QueueView:
    pools = tuple(
        PoolView(
            name,
            draw(weights),
            draw(st.integers(-50, 50)),
            draw(st.sampled_from((None, *jobs))),
            draw(st.sampled_from((None, 0.0, 900.0))),
        )
        for name in draw(st.sampled_from((("high", "normal"), ("normal",), ("a", "b", "c"))))
    )
    capacity = draw(st.sampled_from((None, None, Resources({"cpu": 9000, "pods": 12}))))
    return QueueView(
        key,
        pools,
        draw(weights),
        draw(st.sampled_from(("weighted", "weighted", "strict"))),
        draw(st.integers(0, 9)) == 7,
        capacity,
    )


@st.composite
def snapshots(draw, fresh=ALWAYS, with_unchecked=False) -> Snapshot:
    """Return one cluster's picture with up to two queues."""
    keys = [QueueKey("c", namespace) for namespace in draw(st.sampled_from((NAMESPACES, NAMESPACES[:1])))]
    views = [draw(queue_views(key)) for key in keys]
    node_names = [f"n{index}" for index in range(draw(st.sampled_from((3, 4, 4, 0))))]
    grants = [
        Grant(f"run-{n}", draw(st.sampled_from(keys)), draw(demands()))
        for n in range(draw(st.integers(0, 3)))
    ]
    pods = [draw(foreign_pods(f"p{index}", node_names)) for index in range(draw(st.integers(0, 4)))]
    for grant in grants:
        pods += draw(own_pods(grant, node_names))
    cluster = ClusterView(
        "c",
        tuple(draw(nodes(name)) for name in node_names),
        tuple(pods),
        tuple(draw(quotas(key.namespace, f"q{n}")) for key in keys for n in range(draw(st.integers(0, 2)))),
        draw(
            st.sampled_from(
                ((), (), (), (), (limit_range("team-a", maximum=Resources({"memory": 3 * GIB // 2})),))
            )
        ),
        draw(
            st.sampled_from((None, None, frozenset(NAMESPACES), frozenset(NAMESPACES), frozenset({"team-b"})))
        ),
        draw(st.sampled_from(("quota", "quota+nodes", "quota+nodes"))),
        draw(st.integers(0, 3)) != 3,
        draw(fresh),
    )
    jobs = tuple(
        QueuedJob(
            f"job-{n}",
            (view := draw(st.sampled_from(views))).key,
            draw(st.sampled_from([pool.name for pool in view.pools])),
            (float(draw(st.integers(0, 5))), draw(st.integers(0, 2))),
            draw(demands()),
            draw(st.sampled_from((None, None, None, None, None, Ineligible.HELD))),
            unchecked=with_unchecked and draw(st.integers(0, 5)) == 0,
            readmission=draw(st.integers(0, 5)) == 0,
        )
        for n in range(draw(st.sampled_from((5, 8, 3, 0))))
    )
    rules = Rules(
        draw(st.sampled_from((20, 20, 3, 1, 0))),
        protecting(draw(st.sampled_from((0.0, 300.0)))),
        draw(st.booleans()),
    )
    return Snapshot((cluster,), tuple(views), jobs, tuple(grants), rules)


@st.composite
def odd_snapshots(draw) -> Snapshot:
    """Return pictures nobody should draw: missing clusters, unknown pools, weights of zero, doubled jobs."""
    picture = draw(snapshots(fresh=st.booleans(), with_unchecked=True))
    lost = QueueKey("nowhere", "team-z")
    queues = (*picture.queues, draw(queue_views(lost, weights=st.integers(-3, 3))))
    views = tuple(
        draw(queue_views(queue.key, weights=st.integers(-1, 2))) if draw(st.booleans()) else queue
        for queue in queues
    )
    stray = QueuedJob("stray", lost, "no-such-pool", (float("nan"), 0), Demand(()))
    empty = QueuedJob("empty", picture.queues[0].key, picture.queues[0].pools[0].name, (-1.0, 0), Demand(()))
    minus = PodSet("driver", -2, Resources({"cpu": -5}))
    odd = QueuedJob("odd", picture.queues[0].key, "normal", (0.0, 0), Demand((minus,)))
    jobs = (*picture.jobs, *picture.jobs[:2], stray, empty, odd)
    grants = (*picture.grants, *picture.grants, Grant("gone", lost, Demand(())))
    clusters = () if draw(st.integers(0, 9)) == 0 else picture.clusters
    rules = Rules(
        draw(st.integers(-1, 50)), protecting(draw(st.sampled_from((-1.0, 0.0, 1e9)))), draw(st.booleans())
    )
    return Snapshot(clusters, views, jobs, grants, rules)
