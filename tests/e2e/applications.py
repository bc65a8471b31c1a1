# SPDX-License-Identifier: Apache-2.0
"""Everything that ever happened to applications and quotas of a cluster, seen through a watch.

A list taken now and then would miss the second application that lived for half a second; a watch
from the beginning shows each one.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.utils.quantity import parse_quantity
from urllib3.exceptions import HTTPError

from airflow_priority_spark.spark.identity import ANNOTATION_TASK, LABEL_ADMISSION, LABEL_JOB, LABEL_TASK_KEY

SPARK = ("sparkoperator.k8s.io", "v1beta2", "sparkapplications")
_ENDED = ("COMPLETED", "FAILED")


@dataclass
class Application:
    """One application that was seen."""

    uid: str
    namespace: str
    name: str
    task: str
    task_key: str
    job: str
    admission: str
    states: list[str] = field(default_factory=list)
    deleted: bool = False

    @property
    def lives(self) -> bool:
        return not self.deleted and not (self.states and self.states[-1] in _ENDED)


class Witness:
    """Watches a cluster from the moment it is made until ``stop``."""

    def __init__(self, kubeconfig) -> None:
        api_client = config.new_client_from_config(str(kubeconfig))
        self.core = client.CoreV1Api(api_client)
        self.custom = client.CustomObjectsApi(api_client)
        self.seen: dict[str, Application] = {}
        self.doubled: list[str] = []
        self.over_quota: list[str] = []
        self._stop = threading.Event()
        self._streams = [watch.Watch(), watch.Watch()]
        self._threads = [
            threading.Thread(target=self._follow, args=(stream, what, heed), daemon=True)
            for stream, what, heed in zip(
                self._streams,
                (self._list_applications, self.core.list_resource_quota_for_all_namespaces),
                (self._application, self._quota),
                strict=True,
            )
        ]
        for thread in self._threads:
            thread.start()

    def _list_applications(self, **options):
        return self.custom.list_cluster_custom_object(*SPARK, **options)

    def _follow(self, stream, what, heed) -> None:
        while not self._stop.is_set():
            # A watch that has run its time, or met a version that is gone, begins again with a list.
            with suppress(ApiException, HTTPError):
                for event in stream.stream(what, timeout_seconds=60):
                    heed(event["type"], event["object"])

    def _application(self, kind, found) -> None:
        metadata, labels = found["metadata"], found["metadata"].get("labels") or {}
        app = self.seen.setdefault(
            metadata["uid"],
            Application(
                uid=metadata["uid"],
                namespace=metadata["namespace"],
                name=metadata["name"],
                task=(metadata.get("annotations") or {}).get(ANNOTATION_TASK, ""),
                task_key=labels.get(LABEL_TASK_KEY, ""),
                job=labels.get(LABEL_JOB, ""),
                admission=labels.get(LABEL_ADMISSION, ""),
            ),
        )
        app.deleted = kind == "DELETED"
        state = (found.get("status") or {}).get("applicationState", {}).get("state", "")
        if not app.states or app.states[-1] != state:
            app.states.append(state)
        living = [each.name for each in self.seen.values() if each.task_key == app.task_key and each.lives]
        if app.task_key and len(living) > 1:
            self.doubled.append(f"{app.task}: {', '.join(living)}")

    def _quota(self, _kind, found) -> None:
        for resource, hard in (found.spec.hard or {}).items():
            used = ((found.status and found.status.used) or {}).get(resource, "0")
            if parse_quantity(used) > parse_quantity(hard):
                self.over_quota.append(f"{found.metadata.namespace}: {resource} {used} of {hard}")

    def of(self, dag_id: str, run_id: str | None = None) -> list[Application]:
        """Return the applications of a DAG's tasks (of one run), in the order in which they were seen."""
        prefix = f"{dag_id}/{run_id}/" if run_id else f"{dag_id}/"
        return [app for app in list(self.seen.values()) if app.task.startswith(prefix)]

    def check(self) -> None:
        """Nothing lived twice, nothing was admitted into two applications, no quota was exceeded."""
        assert not self.doubled
        assert not self.over_quota
        per_admission = defaultdict(list)
        for app in self.seen.values():
            per_admission[app.job, app.admission].append(app.name)
        twice = {key: names for key, names in per_admission.items() if key[0] and len(names) > 1}
        assert not twice

    @contextmanager
    def full(self, namespace: str):
        """Fill a namespace's CPU quota with a foreign pod while the block runs."""
        hard = self.core.list_namespaced_resource_quota(namespace).items[0].spec.hard
        cpu = next(hard[key] for key in ("requests.cpu", "cpu") if key in hard)
        assert parse_quantity(cpu) > Decimal(0)
        container = {
            "name": "main",
            "image": "busy",
            "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}},
        }
        body = {"metadata": {"name": "tenant"}, "spec": {"containers": [container]}}
        self.core.create_namespaced_pod(namespace, body)
        try:
            yield
        finally:
            self.make_room(namespace)

    def make_room(self, namespace: str) -> None:
        """Delete the foreign pod, if it is still there."""
        with suppress(ApiException):
            self.core.delete_namespaced_pod("tenant", namespace, grace_period_seconds=0)

    def pods(self, namespace: str) -> list[str]:
        """Return the names of a namespace's pods."""
        return [pod.metadata.name for pod in self.core.list_namespaced_pod(namespace).items]

    def stop(self) -> None:
        self._stop.set()
        for stream in self._streams:
            stream.stop()
