# SPDX-License-Identifier: Apache-2.0
"""How a cluster is described: nodes, namespaces with quotas, denials; and the texts people write for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_priority_spark.embedded import quantities
from airflow_priority_spark.embedded.access import Denial
from airflow_priority_spark.errors import InvalidInput

NODE_SYNTAX = "NAME=cpu:8,memory:32Gi[,pods:110][,RESOURCE:AMOUNT][,label.KEY=VALUE][,taint.KEY=VALUE:EFFECT]"
NAMESPACE_SYNTAX = (
    "NAME, or NAME=RESOURCE:AMOUNT,… with the keys of a ResourceQuota, e.g. team-a=cpu:8,memory:16Gi,pods:20"
)
DAEMON_SYNTAX = "NAME=cpu:100m,memory:200Mi, what a pod on every node asks for"
DENIAL_SYNTAX = "USER:VERB:RESOURCE, e.g. reader:list:resourcequotas; * stands for any verb or resource"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# All of them are required by the clients' models.
_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

Quota = Mapping[str, str]


@dataclass(frozen=True)
class NodeSpec:
    """A node: its name and what it offers.

    :param cpu, memory, pods: allocatable amounts, as Kubernetes quantities.
    :param extended: further resources, e.g. ``{"nvidia.com/gpu": "2"}``.
    :param taints: (key, value, effect).
    """

    name: str
    cpu: str = "8"
    memory: str = "32Gi"
    pods: str = "110"
    extended: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[tuple[str, str, str]] = ()

    @classmethod
    def parse(cls, text: str) -> NodeSpec:
        """Read what ``--node`` takes; raises ``InvalidInput``."""
        name, _, rest = text.partition("=")
        resources: dict[str, str] = {}
        labels: dict[str, str] = {}
        taints: list[tuple[str, str, str]] = []
        for part in filter(None, rest.split(",")):
            if part.startswith("label."):
                key, _, labels_value = part.removeprefix("label.").partition("=")
                labels[key] = labels_value
            elif part.startswith("taint."):
                taints.append(_taint(text, part))
            else:
                resources |= _amount("--node", text, part, NODE_SYNTAX)
        if not _NAME.fullmatch(name) or not {"cpu", "memory"} <= resources.keys():
            raise InvalidInput("--node", text, NODE_SYNTAX)
        known = {key: resources.pop(key) for key in ("cpu", "memory", "pods") if key in resources}
        return cls(name, **known, extended=resources, labels=labels, taints=tuple(taints))

    def text(self) -> str:
        """Return what ``--node`` takes for this node."""
        resources = {"cpu": self.cpu, "memory": self.memory, "pods": self.pods, **self.extended}
        parts = [f"{key}:{amount}" for key, amount in resources.items()]
        parts += [f"label.{key}={value}" for key, value in self.labels.items()]
        parts += [f"taint.{key}={value}:{effect}" for key, value, effect in self.taints]
        return f"{self.name}={','.join(parts)}"

    def manifest(self) -> dict[str, Any]:
        """Return the Node object."""
        offered = {"cpu": self.cpu, "memory": self.memory, "pods": self.pods, "ephemeral-storage": "100Gi"}
        amounts = quantities.printed(quantities.parse_all({**offered, **self.extended}))
        labels = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", **self.labels}
        taints = [{"key": key, "value": value, "effect": effect} for key, value, effect in self.taints]
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
        info = dict.fromkeys(_NODE_INFO, "embedded") | {"operatingSystem": "linux", "architecture": "amd64"}
        return {
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"taints": taints} if taints else {},
            "status": {
                "capacity": amounts,
                "allocatable": amounts,
                "conditions": [ready],
                "addresses": [
                    {"type": "InternalIP", "address": "127.0.0.1"},
                    {"type": "Hostname", "address": self.name},
                ],
                "nodeInfo": info,
            },
        }


DEFAULT_NODES = tuple(NodeSpec(f"node-{number}") for number in (1, 2, 3))


def parse_namespace(text: str) -> tuple[str, dict[str, str] | None]:
    """Read what ``--namespace`` takes: its name and its quota's ``hard``; raises ``InvalidInput``."""
    name, has_quota, rest = text.partition("=")
    hard: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        hard |= _amount("--namespace", text, part, NAMESPACE_SYNTAX)
    if not _NAME.fullmatch(name) or "." in name or (has_quota and not hard):
        raise InvalidInput("--namespace", text, NAMESPACE_SYNTAX)
    return name, hard or None


def namespace_text(name: str, hard: Quota | None) -> str:
    """Return what ``--namespace`` takes for a namespace."""
    return f"{name}={','.join(f'{key}:{amount}' for key, amount in hard.items())}" if hard else name


def parse_daemon(text: str) -> tuple[str, dict[str, str]]:
    """Read what ``--daemon`` takes: a DaemonSet's name and its pods' requests; raises ``InvalidInput``."""
    name, _, rest = text.partition("=")
    asked: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        asked |= _amount("--daemon", text, part, DAEMON_SYNTAX)
    if not _NAME.fullmatch(name) or not asked:
        raise InvalidInput("--daemon", text, DAEMON_SYNTAX)
    return name, asked


def daemon_manifest(name: str, asked: Quota) -> dict[str, Any]:
    """Return a DaemonSet as a node's agents are: on every node, before all others."""
    labels = {"app": name}
    container = {"name": "main", "image": "pause", "resources": {"requests": dict(asked)}}
    spec = {
        "containers": [container],
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-node-critical",
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def parse_denial(text: str) -> Denial:
    """Read what ``--deny`` takes; raises ``InvalidInput``."""
    parts = text.split(":")
    if len(parts) != 3 or not all(parts):
        raise InvalidInput("--deny", text, DENIAL_SYNTAX)
    return Denial(*parts)


def _amount(flag: str, text: str, part: str, syntax: str) -> dict[str, str]:
    resource, _, amount = part.partition(":")
    try:
        quantity = quantities.parse(amount)
    except ValueError:
        raise InvalidInput(flag, text, f"{syntax}; {part!r} names no Kubernetes quantity") from None
    if not resource or quantity.nanos < 0:
        raise InvalidInput(flag, text, syntax)
    return {resource: amount}


def _taint(text: str, part: str) -> tuple[str, str, str]:
    taint, _, effect = part.removeprefix("taint.").rpartition(":")
    key, _, value = taint.partition("=")
    if effect not in EFFECTS or not key:
        raise InvalidInput("--node", text, f"{NODE_SYNTAX} with EFFECT one of {', '.join(EFFECTS)}")
    return key, value, effect
