# SPDX-License-Identifier: Apache-2.0
"""Nodes of our own on another control plane: registered, kept alive by their leases, removed at the end.

The node lifecycle controller taints a node as unreachable when its lease is older than forty seconds
(``--node-monitor-grace-period``); a kubelet renews it every ten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import NODES, Kind
from airflow_priority_spark.embedded.objects import Object, micro_timestamp, timestamp
from airflow_priority_spark.embedded.remote.api import MERGE_PATCH, RemoteApi, path_of
from airflow_priority_spark.embedded.specs import NodeSpec

RENEW_SECONDS = 10.0
LEASE_SECONDS = 40
LEASE_NAMESPACE = "kube-node-lease"
LEASES = Kind("leases", "Lease", group="coordination.k8s.io")
OWN_LABEL = "priority-spark/embedded"
_log = logging.getLogger(__name__)


class NodeFleet:
    """The nodes this process stands for.

    :param log_port: where the kubelet's endpoint listens; the API server finds it in the node's status.
    """

    def __init__(
        self, client: ClusterClient, api: RemoteApi, specs: Sequence[NodeSpec], log_port: int
    ) -> None:
        self._client = client
        self._api = api
        self._specs = specs
        self._log_port = log_port
        self._nodes: list[Object] = []

    @property
    def names(self) -> frozenset[str]:
        """The nodes' names."""
        return frozenset(spec.name for spec in self._specs)

    async def register(self) -> None:
        """Create the nodes, or take over what an earlier run has left; raises ``ApiError``."""
        for spec in self._specs:
            node = await self._node(spec)
            status = self._status(spec)
            await self._client.set_status(NODES, node, {**node.get("status", {}), **status})
            self._nodes.append(node)
            await self._renew(node)

    async def keep_alive(self) -> None:
        """Renew the leases until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for node in self._nodes:
                try:
                    await self._renew(node)
                except ApiError as error:
                    _log.warning("lease of node %s not renewed: %s", node["metadata"]["name"], error)

    async def remove(self) -> None:
        """Delete the nodes; their pods follow by the control plane's garbage collector."""
        for node in self._nodes:
            await self._client.delete(NODES, node)

    async def _node(self, spec: NodeSpec) -> Object:
        manifest = spec.manifest()
        labels = {**manifest["metadata"]["labels"], OWN_LABEL: "true", "kubernetes.io/hostname": spec.name}
        existing = await self._client.get(NODES, "", spec.name)
        if existing is None:
            body = {"metadata": {"name": spec.name, "labels": labels}, "spec": manifest["spec"]}
            return await self._client.create(NODES, "", body)
        if (existing["metadata"].get("labels") or {}).get(OWN_LABEL) != "true":
            why = f'node "{spec.name}" exists and is not one of ours (label {OWN_LABEL})'
            raise ApiError(409, "AlreadyExists", why)
        return existing

    def _status(self, spec: NodeSpec) -> dict[str, Any]:
        """Return the node's status; by its first address the API server reaches ``LogEndpoint``."""
        status: dict[str, Any] = spec.manifest()["status"]
        now = timestamp()
        ready = {**status["conditions"][0], "lastHeartbeatTime": now, "lastTransitionTime": now}
        return {
            **status,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._log_port}},
        }

    async def _renew(self, node: Object) -> None:
        name = node["metadata"]["name"]
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": micro_timestamp(),
        }
        path = path_of(LEASES, LEASE_NAMESPACE, name)
        try:
            await self._api.request("PATCH", path, {"spec": spec}, content_type=MERGE_PATCH)
        except ApiError as error:
            if error.code != 404:
                raise
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
            metadata = {"name": name, "ownerReferences": [owner]}
            try:
                await self._client.create(LEASES, LEASE_NAMESPACE, {"metadata": metadata, "spec": spec})
            except ApiError as refusal:
                # Without leases, or their namespace, nobody looks whether nodes are alive.
                if refusal.code != 404:
                    raise
