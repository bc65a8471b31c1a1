# SPDX-License-Identifier: Apache-2.0
"""A pod that waits for room: the stock ``KubernetesPodOperator`` behind the queue.

Its demand is one pod set of one pod, counted as the scheduler counts it: containers, sidecars and init
containers. It runs as the stock operator runs it, deferrable or not; it only begins later. Also the
example of how to put ``AdmissionMixin`` before an operator.
"""

from __future__ import annotations

import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import TaskDeferred

from airflow_priority_spark.errors import InvalidManifest, InvalidQuantity
from airflow_priority_spark.operators.admission_mixin import TEMPLATED, AdmissionMixin
from airflow_priority_spark.operators.bypass import other_queue
from airflow_priority_spark.operators.links import QueueLink
from airflow_priority_spark.scheduling.constraints import conceal
from airflow_priority_spark.scheduling.model import Container, Demand, PodScope, PodSet, Toleration
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, Resources
from airflow_priority_spark.spark.affinity import affinity_of, looks_elsewhere
from airflow_priority_spark.spark.identity import LABEL_POD_SET
from airflow_priority_spark.spark.states import is_quota_refusal, quota_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context
    from kubernetes.client import V1Pod
    from pendulum import DateTime

POD: Final = "pod"
_OPERATORS: Final = ("Exists", "Equal")


class PriorityKubernetesPodOperator(AdmissionMixin, KubernetesPodOperator):
    """Queues a pod by priority and creates it when the cluster has room for it.

    It takes what the stock operator takes. Time in the queue does not count against ``execution_timeout``.
    Every try has a place of its own in the queue and a pod of its own: the arbiter deletes what an earlier
    try, or a task that was killed or cleared, has left. Only an attempt whose scheduler died is gone on
    with. In the flow ``legacy`` it re-attaches as the stock operator does.

    :param priority: priority pool, e.g. ``high``; default ``[priority_spark] default_priority``. Templated.
    :param deployment_flow: ``priority``, ``observe`` or ``legacy``. Templated.
    :param unclaimed_seconds: after so long without an arbiter the task log says so.
    :param on_unclaimed: what happens then: ``wait``, ``fail`` or ``legacy``.
    :param queue_timeout: a job that has waited so long is cancelled; seconds or a ``timedelta``.
    """

    template_fields = (*KubernetesPodOperator.template_fields, *TEMPLATED)
    operator_extra_links = (QueueLink(),)
    name: str | None
    pod: V1Pod | None
    pod_request_obj: V1Pod | None
    #: Labels of the admitted job; empty in the flow ``legacy`` and before the admission.
    _job: Mapping[str, str] = MappingProxyType({})

    def resume_admitted(
        self, context: Context, event: Any = None, demand: dict[str, Any] | None = None
    ) -> Any:
        """Go on after the queue; the clock of ``execution_timeout`` begins here."""
        self._exclude_queue_time(context)
        return super().resume_admitted(context, event, demand)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after the pod; a deadline that was set at its creation stays."""
        deadline, started = event.get("_execution_deadline"), context["ti"].start_date
        if deadline is not None and started is not None:
            self.execution_timeout = datetime.timedelta(seconds=deadline - started.timestamp())
        return super().trigger_reentry(context, event)

    def invoke_defer_method(
        self, last_log_time: DateTime | None = None, context: Context | None = None
    ) -> None:
        """Wait as the stock operator does, with a trigger that Airflow can take every event of."""
        from airflow_priority_spark.triggers.pod import PriorityPodTrigger

        try:
            super().invoke_defer_method(last_log_time, context)
        except TaskDeferred as deferred:
            deferred.trigger = PriorityPodTrigger(**deferred.trigger.serialize()[1])
            raise

    def find_pod(self, namespace: str, context: Context, *, exclude_checked: bool = True) -> V1Pod | None:
        """Return the pod of the admitted job; in the flow ``legacy`` what the stock operator finds."""
        if not self._job:
            return super().find_pod(namespace, context, exclude_checked=exclude_checked)
        selector = ",".join(f"{name}={value}" for name, value in self._job.items())
        return next(iter(self.client.list_namespaced_pod(namespace, label_selector=selector).items), None)

    def get_or_create_pod(self, pod_request_obj: V1Pod, context: Context) -> V1Pod:
        """Create the pod; in the flow ``legacy`` perhaps go on with one of an earlier try.

        :raises StaleQuotaError: when a quota refuses it.
        """
        from kubernetes.client.exceptions import ApiException

        from airflow_priority_spark.operators.submission import StaleQuotaError

        try:
            if not self._job:
                return super().get_or_create_pod(pod_request_obj, context)
            # A pod of an earlier try is none of this job's, and the stock operator would take it.
            return self.pod_manager.create_pod(pod=pod_request_obj)
        except ApiException as error:
            if error.status == 403 and is_quota_refusal(str(error.body)):
                raise StaleQuotaError(quota_refusal(str(error.body))) from error
            raise

    # --- what the queue has to know

    def admission_demand(self, context: Context) -> Demand:
        """Return the demand of the pod; amounts it does not name are not reserved, and that is told."""
        demand = pod_demand(self._manifest(context))
        missing = [name for name in (CPU, MEMORY) if name not in demand.pod_sets[0].requests]
        if missing:
            self.log.warning(
                "The pod requests no %s: the queue keeps no room for what it does not name",
                " and no ".join(missing),
            )
        return demand

    def admission_namespace(self, context: Context) -> str:
        """Return the namespace of the pod, found as the stock operator finds it."""
        return str(self._manifest(context)["metadata"]["namespace"])

    def admitted_elsewhere(self, context: Context) -> str:
        """Say whether the pod's labels put it into a queue of Kueue."""
        return other_queue(self._manifest(context))

    def take_up(self, context: Context, name: str) -> bool:
        """Go on with the pod of a lost attempt unless it is gone or going."""
        pod = self.find_pod(self.admission_namespace(context), context)
        if pod is None or pod.metadata.name != name or pod.metadata.deletion_timestamp:
            return False
        self.pod = pod
        return True

    def carry(self, labels: Mapping[str, str]) -> None:
        """Label the pod that was measured, which is the one that is created."""
        assert self.pod_request_obj is not None
        self._job = dict(labels)
        self.pod_request_obj.metadata.labels.update(labels, **{LABEL_POD_SET: POD})

    def _manifest(self, context: Context) -> dict[str, Any]:
        """Build the pod once per visit to a worker: building it twice would double its environment."""
        from kubernetes.client import ApiClient

        if self.pod_request_obj is None:
            self.name = self._set_name(self.name)
            self.pod_request_obj = self.build_pod_request_obj(context)
        return cast("dict[str, Any]", ApiClient().sanitize_for_serialization(self.pod_request_obj))

    def _exclude_queue_time(self, context: Context) -> None:
        """Move the deadline that the stock operator computes from the task's first start."""
        started = context["ti"].start_date
        if self.execution_timeout is not None and started is not None:
            self.execution_timeout += datetime.datetime.now(tz=datetime.UTC) - started


def pod_demand(pod: Mapping[str, Any]) -> Demand:
    """Return the demand of one pod: what the API server will count it as, but for a RuntimeClass's overhead.

    :param pod: the manifest, as JSON. A container's request that is not given is its limit, as the API
        server defaults it (``SetDefaults_Pod`` in ``k8s.io/kubernetes pkg/apis/core/v1/defaults.go``).
    :raises InvalidQuantity, InvalidManifest: naming the resource or the toleration.
    """
    from airflow_priority_spark.cluster.convert import pod_amounts

    spec = pod["spec"]
    for kind in ("containers", "initContainers"):
        spec = {**spec, kind: [_defaulted(container) for container in spec.get(kind) or ()]}
    try:
        requests, limits = pod_amounts(spec, "requests"), pod_amounts(spec, "limits")
    except InvalidQuantity as error:
        raise InvalidQuantity(f"container_resources.{error.field}", error.value, error.allowed) from None
    labels = {name: conceal(str(value)) for name, value in _labels(pod).items()}
    return Demand(
        (
            PodSet(
                POD,
                1,
                requests,
                limits,
                node_selector=tuple(sorted((spec.get("nodeSelector") or {}).items())),
                tolerations=tuple(_toleration(entry) for entry in spec.get("tolerations") or ()),
                affinity=affinity_of(spec, labels),
                labels=tuple(sorted(labels.items())),
                containers=_containers(spec),
                scope=PodScope(
                    str(spec.get("priorityClassName") or ""),
                    deadline=spec.get("activeDeadlineSeconds") is not None,
                    best_effort=not any(
                        amounts[name] for amounts in (requests, limits) for name in (CPU, MEMORY)
                    ),
                    cross_namespace=looks_elsewhere(spec),
                ),
            ),
        )
    )


def _labels(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return (pod.get("metadata") or {}).get("labels") or {}


def _containers(spec: Mapping[str, Any]) -> tuple[Container, ...]:
    """Return the containers one by one, for limit ranges; none for a pod of one."""
    found = []
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            resources = container.get("resources") or {}
            restarts = container.get("restartPolicy") == "Always"
            found.append(
                Container(
                    str(container.get("name") or ""),
                    Resources.parse(resources.get("requests") or {}),
                    Resources.parse(resources.get("limits") or {}),
                    "" if kind == "containers" else "sidecar" if restarts else "init",
                )
            )
    return tuple(found) if len(found) > 1 or spec.get("overhead") else ()


def _defaulted(container: Mapping[str, Any]) -> dict[str, Any]:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return {**container, "resources": {**resources, "requests": {**limits, **requests}}}


def _toleration(entry: Mapping[str, Any]) -> Toleration:
    operator = entry.get("operator") or "Equal"
    if operator not in _OPERATORS:
        raise InvalidManifest("tolerations.operator", operator, " or ".join(_OPERATORS))
    text = {name: str(entry.get(name) or "") for name in ("key", "value", "effect")}
    checked = cast("Literal['Exists', 'Equal']", operator)
    return Toleration(text["key"], checked, text["value"], text["effect"])
