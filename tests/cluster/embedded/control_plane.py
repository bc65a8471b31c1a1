# SPDX-License-Identifier: Apache-2.0
"""A control plane in the test's own process, without HTTP: for what takes minutes in a real one."""

from __future__ import annotations

import asyncio

from airflow_priority_spark.embedded.catalog import Catalog
from airflow_priority_spark.embedded.client import LocalClient
from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.kinds import (
    CORE_KINDS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    RESOURCE_QUOTAS,
)
from airflow_priority_spark.embedded.quota import QuotaLedger
from airflow_priority_spark.embedded.scheduler import Scheduler
from airflow_priority_spark.embedded.specs import NodeSpec
from airflow_priority_spark.embedded.store import Store
from airflow_priority_spark.embedded.verbs import Verbs

TEAM = "team-a"


class ControlPlane:
    """The verbs with a scheduler; a test adds the controllers it is about. Pods run when they say so."""

    def __init__(self, quota_lag=0.0):
        store = Store()
        self.verbs = Verbs(store, QuotaLedger(store, CORE_KINDS, quota_lag), Catalog(CORE_KINDS))
        self.client = LocalClient(self.verbs)
        self.scheduler = Scheduler(self.client)
        self._tasks = []
        for name in ("kube-system", "default", TEAM):
            self.verbs.create(NAMESPACES, "", {"metadata": {"name": name}})

    async def __aenter__(self):
        self.begin(self.scheduler)
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        failures = await asyncio.gather(*self._tasks, return_exceptions=True)
        raised = [one for one in failures if isinstance(one, Exception)]
        assert not raised, raised

    async def failure(self):
        """Wait until a controller fails; returns its error, and forgets the controller."""
        done, running = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        self._tasks = list(running)
        return done.pop().exception()

    def begin(self, controller):
        self._tasks.append(asyncio.ensure_future(controller.run()))
        return controller

    def node(self, name, **options):
        return self.verbs.create(NODES, "", NodeSpec(name, **options).manifest()).data

    def pod(self, name, *, cpu="1", annotations=None, labels=None, namespace=TEAM, **spec):
        container = {"name": "main", "image": "pause"}
        if cpu:
            container["resources"] = {"requests": {"cpu": cpu}}
        metadata = {"name": name, "annotations": annotations or {}, "labels": labels or {}}
        body = {"metadata": metadata, "spec": {"containers": [container], **spec}}
        return self.verbs.create(PODS, namespace, body).data

    def find(self, name, namespace=TEAM, kind=PODS):
        record = self.verbs.store.get(kind, namespace, name)
        return record.data if record else None

    def place(self, name):
        """The node of a pod, or ``None``."""
        return self.find(name)["spec"].get("nodeName")

    def sentence(self, name):
        """What the scheduler says of a pod."""
        found = [
            one for one in self.find(name)["status"].get("conditions", ()) if one["type"] == "PodScheduled"
        ]
        return found[0].get("message") if found else None

    def end(self, name, *, grace=0, kind=PODS, namespace=TEAM):
        self.verbs.delete(kind, namespace, name, Deletion(grace_seconds=grace))

    def finish(self, name, phase="Succeeded"):
        self.verbs.update(
            PODS, TEAM, name, lambda pod: {**pod, "status": {**pod["status"], "phase": phase}}, status=True
        )

    def say_ready(self, name, status):
        """Let a node say whether it is ready: ``True``, ``False`` or ``Unknown``."""

        def mutation(node):
            others = [one for one in node["status"]["conditions"] if one["type"] != "Ready"]
            ready = {"type": "Ready", "status": status, "reason": "Told", "message": ""}
            return {**node, "status": {**node["status"], "conditions": [*others, ready]}}

        self.verbs.update(NODES, "", name, mutation, status=True)

    def taints(self, name):
        taints = self.find(name, "", NODES)["spec"].get("taints") or ()
        return {(one["key"], one["effect"]) for one in taints}

    def taint(self, name, *taints):
        listed = [{"key": key, "effect": effect} for key, effect in taints]
        self.verbs.update(NODES, "", name, lambda node: {**node, "spec": {**node["spec"], "taints": listed}})

    def nodes(self):
        return {record.data["metadata"]["name"] for record in self.verbs.store.all(NODES)}

    def quota(self, name="quota", **spec):
        return self.verbs.create(RESOURCE_QUOTAS, TEAM, {"metadata": {"name": name}, "spec": spec}).data

    def used(self, name="quota"):
        return self.find(name, kind=RESOURCE_QUOTAS).get("status", {}).get("used")

    def events(self, reason, namespace=TEAM):
        found = [record.data for record in self.verbs.store.all(EVENTS, namespace)]
        return [one["message"] for one in found if one["reason"] == reason]


async def until(condition, what, seconds=10.0):
    """Wait until a condition holds."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)
