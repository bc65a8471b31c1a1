# SPDX-License-Identifier: Apache-2.0
"""Capacity and the arbiter in answers."""

from __future__ import annotations

from pydantic import Field

from airflow_priority_spark.api.datamodels.base import Amounts, Answer, Instant
from airflow_priority_spark.api.datamodels.queues import Usage


class Nodes(Answer):
    """The nodes of a cluster."""

    count: int = Field(examples=[12])
    ready: int = Field(examples=[11])
    fixed: bool | None = Field(description="They are all there will ever be; null: nobody knows.")
    allocatable: Amounts
    requested: Amounts


class Hole(Answer):
    """The free room of one node: that of its group which has most."""

    group: str = Field(examples=["m5.4xlarge"])
    cpu: int = Field(description="Millicores.", examples=[3500])
    memory: int = Field(description="Bytes.", examples=[17179869184])


class NamespaceCapacity(Answer):
    """What a namespace may use, uses and has left."""

    namespace: str = Field(examples=["team-a"])
    resources: list[Usage]


class Cluster(Answer):
    """A cluster as the arbiter last saw it."""

    cluster_id: str
    cluster: str = Field(examples=["kubernetes_default"])
    fresh: bool = Field(description="Its watches are in step; nothing is admitted on a stale picture.")
    stale_reason: str | None = Field(examples=[None])
    taken_at: Instant
    age_seconds: float = Field(examples=[1.5])
    mode: str = Field(examples=["quota+nodes"])
    nodes: Nodes
    largest_holes: list[Hole]
    namespaces: list[NamespaceCapacity]


class Capacity(Answer):
    """All clusters."""

    clusters: list[Cluster]


class Arbiter(Answer):
    """Who leads."""

    leader: str | None = Field(examples=["scheduler-0/42/1a2b3c4d"])
    alive: bool
    epoch: int = Field(description="Grows with every change of the leader.", examples=[3])
    cycle: int = Field(description="Grows with everything that is decided.", examples=[81234])
    lease_until: Instant | None
    last_cycle_at: Instant | None
    idle_seconds: float | None = Field(description="Since the last cycle that was recorded.", examples=[0.8])
    banner: str | None = Field(
        description="What people must know at once: why nothing is admitted.",
        examples=["no arbiter leads: nothing is admitted"],
    )
