# SPDX-License-Identifier: Apache-2.0
"""A cluster that moves when the test says so: quotas that refuse, nodes, an operator that makes pods.

To an arbiter it looks like a ``ClusterObserver`` and a ``ClusterConnection``. Pods ask for one CPU each: a
demand that fits in total fits on the nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.modes import parse_mode
from airflow_priority_spark.scheduling.model import ClusterView, NodeView, PodView, QuotaView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import LABEL_JOB, LABEL_TASK_KEY
from tests.crash.api import Api, without_placeholder
from tests.crash.points import Points
from tests.unit.arbiter.world import CLUSTER

CPU = Resources.parse({"cpu": "1"})
#: A driver whose executors are refused for so many ticks is starved.
STARVED = 3


@dataclass
class App:
    """A SparkApplication with what its operator has to do."""

    view: ApplicationView
    executors: int
    runtime: int
    succeeds: bool
    ran: int = 0
    starving: int = 0

    @property
    def job_id(self) -> str:
        return self.view.labels[LABEL_JOB]


@dataclass
class Kubernetes:
    """The cluster.

    :param quotas: namespace → CPUs; one pod asks for one.
    :param hidden: foreign pods per namespace that the watches have not shown yet.
    :param foreign: those that they have.
    :param excused: namespaces in which a refusal is nobody's fault: somebody else was faster, or the quota
        was lowered.
    :param unbounded: namespaces in which somebody goes past the queue, so that no limit can be kept.
    """

    points: Points
    quotas: dict[str, int] = field(default_factory=lambda: {"team-a": 6})
    nodes: dict[str, int] = field(default_factory=lambda: {"node-1": 6, "node-2": 6})
    foreign: Counter = field(default_factory=Counter)
    hidden: Counter = field(default_factory=Counter)
    excused: set[str] = field(default_factory=set)
    unbounded: set[str] = field(default_factory=set)
    apps: dict[str, App] = field(default_factory=dict)
    pods: list[PodView] = field(default_factory=list)
    fresh: bool = True
    lag: bool = False
    made: list[App] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = Api(self)
        self.connection = ClusterConnection("stand-in", self.api.client)
        self._shown: tuple[ClusterView, list[ApplicationView]] | None = None
        self.publish()

    # --- what an arbiter asks

    def follow(self, namespaces) -> None:
        """Every namespace is shown."""

    def stop(self) -> None:
        """There is nothing to stop."""

    def view(self, now, *, mode="auto", fixed_nodes=None) -> ClusterView:
        wanted = parse_mode(mode)
        return replace(
            self._shown[0],
            mode="quota" if wanted.base == "quota" else "quota+nodes",
            dry_run=wanted.dry_run,
            placeholders=wanted.placeholders,
            fresh=self.fresh,
            stale_reason="" if self.fresh else "watches are out of step",
        )

    def counters(self):
        return {}

    def applications(self, instance_id=None) -> list[ApplicationView]:
        return [app for app in self._shown[1] if app.instance_id == instance_id]

    def publish(self) -> None:
        """Let the watches show what is there now."""
        quotas = tuple(
            QuotaView(
                ns, "quota", _cpus(hard), _cpus(self.used(ns, hidden=False)), frozenset({"requests.cpu"})
            )
            for ns, hard in self.quotas.items()
        )
        foreign = [
            PodView(ns, f"foreign-{number}", "outside", CPU, counts_node=False)
            for ns, count in self.foreign.items()
            for number in range(count)
        ]
        view = ClusterView(
            cluster_id=CLUSTER,
            nodes=tuple(
                NodeView(name, Resources.parse({"cpu": str(cpus), "pods": "100"}))
                for name, cpus in self.nodes.items()
            ),
            pods=tuple(self.pods + foreign),
            quotas=quotas,
            namespaces=frozenset(self.quotas),
        )
        self._shown = view, [app.view for app in self.apps.values()]

    # --- what Kubernetes and the Spark operator do

    def used(self, namespace: str, *, hidden: bool = True) -> int:
        own = sum(pod.namespace == namespace and pod.counts_quota for pod in self.pods)
        return own + self.foreign[namespace] + (self.hidden[namespace] if hidden else 0)

    def create(self, namespace: str, name: str, labels: dict[str, str], **work: Any) -> App:
        """Create an application, as a worker does; one of this name is taken up if it is the same job's."""
        for app in self.apps.values():
            if app.view.name == name:
                assert app.view.labels == labels, "the name of one job's application was another's"
                return app
        app = App(ApplicationView(namespace, name, str(uuid4()), labels=labels), **work)
        self.apps[app.view.uid] = app
        self.made.append(app)
        return app

    def delete(self, uid: str) -> None:
        if uid in self.apps:
            self.apps[uid].view = replace(self.apps[uid].view, deleting=True)

    def tick(self) -> None:
        """Let a second pass."""
        for app in list(self.apps.values()):
            if app.view.deleting:
                self._go(app)
            elif not app.view.terminal:
                self._work(app)
        for pod in [pod for pod in self.pods if pod.node is None]:
            self._bind(pod)

    def lose_node(self, name: str) -> None:
        """Take a node away with its pods; an application that loses its driver fails."""
        self.nodes.pop(name, None)
        lost = [pod for pod in self.pods if pod.node == name]
        self.pods = [pod for pod in self.pods if pod.node != name]
        for pod in (pod for pod in lost if not pod.placeholder):
            for app in self.apps.values():
                if app.job_id == pod.job_id and pod.pod_set == "driver" and not app.view.terminal:
                    self._end(app, "FAILED", "the driver was lost with its node")

    def living(self) -> Counter:
        """Count applications that work, by task."""
        return Counter(
            app.view.labels[LABEL_TASK_KEY]
            for app in self.apps.values()
            if not app.view.terminal and not app.view.deleting
        )

    def pods_of(self, app: App, pod_set: str = "") -> list[PodView]:
        return [
            pod
            for pod in self.pods
            if pod.name.startswith(f"{app.view.name}-")
            and pod.counts_node
            and pod.pod_set.startswith(pod_set)
        ]

    def _go(self, app: App) -> None:
        own = self.pods_of(app)
        if any(not pod.terminating for pod in own):
            self.pods = [replace(pod, terminating=True) if pod in own else pod for pod in self.pods]
            return
        self.pods = [pod for pod in self.pods if not pod.name.startswith(f"{app.view.name}-")]
        del self.apps[app.view.uid]

    def _work(self, app: App) -> None:
        if not app.view.state:
            refusal = self._make(app, "driver", 1)
            if refusal:
                self._end(app, "FAILED", refusal)
            else:
                self._state(app, "SUBMITTED")
            return
        if not all(pod.node for pod in self.pods_of(app, "driver")):
            return
        self._state(app, "RUNNING")
        missing = app.executors - len(self.pods_of(app, "executor"))
        app.starving = app.starving + 1 if missing and self._make(app, "executor", missing) else 0
        if not app.starving and all(pod.node for pod in self.pods_of(app)):
            app.ran += 1
        if app.ran > app.runtime:
            self._end(app, "COMPLETED" if app.succeeds else "FAILED", "" if app.succeeds else "exit code 1")

    def _make(self, app: App, pod_set: str, count: int) -> str:
        """Make pods until the quota refuses one; return the refusal."""
        namespace, hard = app.view.namespace, self.quotas[app.view.namespace]
        for number in range(count):
            used = self.used(namespace)
            name = f"{app.view.name}-{pod_set}" + (f"-{uuid4().hex[:6]}" if pod_set == "executor" else "")
            if used >= hard:
                text = (
                    f'pods "{name}" is forbidden: exceeded quota: quota, requested: requests.cpu=1, '
                    f"used: requests.cpu={used}, limited: requests.cpu={hard}"
                )
                if namespace not in self.excused | self.unbounded:
                    self.unexplained.append(f"{text} ({number} of {count})")
                return text
            self.pods.append(PodView(namespace, name, None, CPU, job_id=app.job_id, pod_set=pod_set))
        return ""

    def _bind(self, pod: PodView) -> None:
        used = Counter(other.node for other in self.pods if other.counts_node)
        free = [name for name, cpus in self.nodes.items() if used[name] < cpus]
        if not free and not pod.placeholder:
            # Whatever does something goes before a placeholder.
            free = [other.node for other in self.pods if other.placeholder and other.node in self.nodes][:1]
            self.pods = without_placeholder(self.pods, free[0]) if free else self.pods
        if not free:
            return
        node = max(free, key=lambda name: (self.nodes[name] - used[name], name))
        self.pods[self.pods.index(pod)] = replace(pod, node=node)

    def _state(self, app: App, state: str, error: str = "") -> None:
        app.view = replace(app.view, state=state, error=error)

    def _end(self, app: App, state: str, error: str) -> None:
        self._state(app, state, error)
        self.pods = [pod for pod in self.pods if not pod.name.startswith(f"{app.view.name}-")]


def _cpus(count: int) -> Resources:
    return Resources.parse({"requests.cpu": str(count)})
