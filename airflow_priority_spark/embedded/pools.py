# SPDX-License-Identifier: Apache-2.0
"""What an autoscaler may add, as ``--autoscale`` says it."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_priority_spark.embedded import durations
from airflow_priority_spark.embedded.specs import NodeSpec
from airflow_priority_spark.errors import InvalidInput

SYNTAX = (
    "max=N,delay=30s[,idle=10m][,cpu=8][,memory=32Gi][,pods=110][,RESOURCE=AMOUNT][,label.KEY=VALUE]"
    "[,taint.KEY=VALUE:EFFECT]"
)
NAME = "autoscaled"
_NODE_RESOURCES = {"cpu": "8", "memory": "32Gi"}


@dataclass(frozen=True)
class Pool:
    """A group of equal nodes that grows and shrinks between none and ``most``.

    :param most: how many nodes at most.
    :param delay_seconds: from the decision to a node that is ready.
    :param idle_seconds: how long a node is empty before it goes (``--scale-down-unneeded-time``).
    :param node: what each node is like; its name is a prefix.
    """

    most: int
    delay_seconds: float = 30.0
    idle_seconds: float = 600.0
    node: NodeSpec = field(default_factory=lambda: NodeSpec(NAME))

    @classmethod
    def parse(cls, text: str) -> Pool:
        """Read what ``--autoscale`` takes; raises ``InvalidInput``."""
        own = {"max": "", "delay": "30s", "idle": "10m"}
        resources, rest = dict(_NODE_RESOURCES), []
        for part in filter(None, text.split(",")):
            key, _, value = part.partition("=")
            if key in own:
                own[key] = value
            elif key.startswith(("label.", "taint.")):
                rest.append(part)
            else:
                resources[key] = value
        amounts = [f"{key}:{value}" for key, value in resources.items()]
        try:
            most = int(own["max"])
            delay, idle = durations.seconds(own["delay"]), durations.seconds(own["idle"])
            node = NodeSpec.parse(f"{NAME}={','.join([*amounts, *rest])}")
        except (ValueError, InvalidInput):
            raise InvalidInput("--autoscale", text, SYNTAX) from None
        if most < 1:
            raise InvalidInput("--autoscale", text, SYNTAX)
        return cls(most, delay, idle, node)

    def text(self) -> str:
        """Return what ``--autoscale`` takes for this pool."""
        node = self.node
        resources = {"cpu": node.cpu, "memory": node.memory, "pods": node.pods, **node.extended}
        parts = [f"max={self.most}", f"delay={self.delay_seconds}s", f"idle={self.idle_seconds}s"]
        parts += [f"{key}={amount}" for key, amount in resources.items()]
        parts += [f"label.{key}={value}" for key, value in node.labels.items()]
        parts += [f"taint.{key}={value}:{effect}" for key, value, effect in node.taints]
        return ",".join(parts)
