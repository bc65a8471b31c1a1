# SPDX-License-Identifier: Apache-2.0
"""What may stand in a workload file: every key, its kind of value, and what the simulator makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from airflow_priority_spark.arbiter.configuration import (
    AtLeastOne,
    Configured,
    Count,
    PoolName,
    Quantities,
)
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import HeadRules, PoolView, Rules, Taint, Toleration
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, Resources, parse_resource
from airflow_priority_spark.simulator.ticks import parse_duration
from airflow_priority_spark.simulator.workload import (
    PODS_PER_NODE,
    NodeGroup,
    QueuePlan,
    Stream,
    demand_of,
    node_size,
)
from airflow_priority_spark.spark.names import check_namespace

_RANGE: Final = re.compile(r"\{(\d+)\.\.(\d+)\}")
#: No file needs more queues from one line; a slip of the keyboard must not fill the memory.
_MAX_RANGE: Final = 10_000


def _amount(resource: str) -> Any:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidInput(resource, value, "a Kubernetes quantity such as 500m, 2 or 4Gi")
        amount = parse_resource(resource, value)
        if amount < 0:
            raise InvalidInput(resource, value, "at least 0")
        return amount

    return BeforeValidator(parse)


def _duration(value: Any) -> int:
    return parse_duration(value if isinstance(value, str | int | float) else str(value))


def _expanded(value: str) -> str:
    for name in expand(value):
        check_namespace("namespace", name)
    return value


Cpu = Annotated[int, _amount(CPU)]
Memory = Annotated[int, _amount(MEMORY)]
Duration = Annotated[int, BeforeValidator(_duration)]
Namespaces = Annotated[str, AfterValidator(_expanded)]


def expand(name: str) -> list[str]:
    """Return the names that a range stands for: ``team-{01..03}`` is ``team-01``, ``team-02``, ``team-03``.

    :raises InvalidInput: when the range is empty or too long.
    """
    found = _RANGE.search(name)
    if found is None:
        return [name]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < _MAX_RANGE:
        raise InvalidInput("namespace", name, f"a range such as {{1..30}} of at most {_MAX_RANGE} names")
    width = len(found[1])
    return [
        f"{name[: found.start()]}{number:0{width}}{name[found.end() :]}" for number in range(first, last + 1)
    ]


class TaintEntry(Configured):
    """One entry of ``node.spec.taints``."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class TolerationEntry(Configured):
    """One entry of ``pod.spec.tolerations``."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class NodesEntry(Configured):
    """Equal nodes."""

    count: AtLeastOne = 1
    cpu: Cpu
    memory: Memory
    pods: AtLeastOne = PODS_PER_NODE
    labels: dict[str, str] = Field(default_factory=dict)
    taints: list[TaintEntry] = Field(default_factory=list)

    def group(self) -> NodeGroup:
        """Return the nodes for the simulator."""
        taints = tuple(Taint(taint.key, taint.value, taint.effect) for taint in self.taints)
        return NodeGroup(self.count, node_size(self.cpu, self.memory, self.pods), self.labels, taints)


class QueueEntry(Configured):
    """A queue, or with a range in its namespace several equal ones."""

    namespace: Namespaces
    pools: Annotated[dict[PoolName, AtLeastOne], Field(min_length=1)]
    quota: Quantities | None = None
    weight: AtLeastOne = 1
    policy: Literal["weighted", "strict"] = "weighted"

    def plans(self) -> Iterator[QueuePlan]:
        """Yield the queues for the simulator."""
        quota = None if self.quota is None else Resources.parse(self.quota)
        pools = tuple(PoolView(name, weight) for name, weight in self.pools.items())
        keys = frozenset(self.quota or ())
        for namespace in expand(self.namespace):
            yield QueuePlan(namespace, pools, quota, keys, self.weight, self.policy)


class ArrivalEntry(Configured):
    """A stream of equal jobs: sleep ``every``, then one job; ``count`` times."""

    namespace: Namespaces
    pool: PoolName
    count: AtLeastOne = 1
    every: Duration
    cpu: Cpu
    memory: Memory
    runtime: Duration
    executors: Count = 0
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[TolerationEntry] = Field(default_factory=list)

    def streams(self) -> Iterator[Stream]:
        """Yield the streams for the simulator."""
        tolerations = [Toleration(one.key, one.operator, one.value, one.effect) for one in self.tolerations]
        demand = demand_of(self.cpu, self.memory, self.executors, self.node_selector, tolerations)
        for namespace in expand(self.namespace):
            yield Stream(namespace, self.pool, self.count, self.every, self.runtime, demand)


class SettingsEntry(Configured):
    """The site's rules; what is left out is as a site has it by default."""

    head_timeout_seconds: Duration = parse_duration("1h")
    head_retry_count: Count = 0
    head_retry_position: Literal["keep", "tail"] = "keep"
    head_timeout_action: Literal["cancel", "hold"] = "cancel"
    head_protection_seconds: Duration = parse_duration("5m")
    batch_size: AtLeastOne = 20

    def rules(self) -> Rules:
        """Return the rules with every duration in ticks."""
        heads = HeadRules(
            self.head_timeout_seconds,
            self.head_retry_count,
            self.head_retry_position,
            self.head_timeout_action,
            self.head_protection_seconds,
        )
        return Rules(batch_size=self.batch_size, head_rules=heads)


class WorkloadEntry(Configured):
    """The whole file."""

    nodes: list[NodesEntry] = Field(default_factory=list)
    queues: list[QueueEntry] = Field(default_factory=list)
    arrivals: list[ArrivalEntry] = Field(default_factory=list)
    settings: SettingsEntry = SettingsEntry()
