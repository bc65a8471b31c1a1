# SPDX-License-Identifier: Apache-2.0
"""A pod that waits for room: the stock ``KubernetesPodOperator`` behind the queue.

Its demand is one pod set of one pod, counted as the scheduler counts it: containers, sidecars and init
containers. It runs as the stock operator runs it, deferrable or not; it only begins later. Also the
example of how to put ``AdmissionMixin`` before an operator.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

from airflow_priority_spark.errors import InvalidManifest, InvalidQuantity
from airflow_priority_spark.operators.admission_mixin import TEMPLATED, AdmissionMixin
from airflow_priority_spark.operators.bypass import other_queue
from airflow_priority_spark.scheduling.constraints import conceal
from airflow_priority_spark.scheduling.model import Container, Demand, PodScope, PodSet, Toleration
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, Resources
from airflow_priority_spark.spark.affinity import affinity_of, looks_elsewhere
from airflow_priority_spark.spark.identity import LABEL_POD_SET
from airflow_priority_spark.spark.states import is_quota_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context
    from kubernetes.client import V1Pod

POD: Final = "pod"
_OPERATORS: Final = ("Exists", "Equal")


class PriorityKubernetesPodOperator(AdmissionMixin, KubernetesPodOperator):
    """Queues a pod by priority and creates it when the cluster has room for it.

    It takes what the stock operator takes. A task that finds a living pod of an earlier try of its own
    (``durable``) goes on with it instead of queueing: that pod has its room. Time in the queue does not
    count against ``execution_timeout``.

    :param priority: priority pool, e.g. ``high``; default ``[priority_spark] default_priority``. Templated.
    :param deployment_flow: ``priority``, ``observe`` or ``legacy``. Templated.
    :param unclaimed_seconds: after so long without an arbiter the task log says so.
    :param on_unclaimed: what happens then: ``wait``, ``fail`` or ``legacy``.
    :param queue_timeout: a job that has waited so long is cancelled; seconds or a ``timedelta``.
    """

    template_fields = (*KubernetesPodOperator.template_fields, *TEMPLATED)
    name: str | None
    pod_request_obj: V1Pod | None

    def execute(self, context: Context) -> Any:
        """Go on with a living pod of an earlier try, or ask for a place in the queue."""
        if self.reattach_on_restart and context["ti"].try_number > 1 and self._living_pod(context):
            return KubernetesPodOperator.execute(self, context)
        return super().execute(context)

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

    def get_or_create_pod(self, pod_request_obj: V1Pod, context: Context) -> V1Pod:
        """Create the pod.

        :raises StaleQuotaError: when a quota refuses it.
        """
        from kubernetes.client.exceptions import ApiException

        from airflow_priority_spark.operators.submission import StaleQuotaError

        try:
            return super().get_or_create_pod(pod_request_obj, context)
        except ApiException as error:
            if error.status == 403 and is_quota_refusal(str(error.body)):
                raise StaleQuotaError(str(error.body)) from error
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

    def carry(self, labels: Mapping[str, str]) -> None:
        """Label the pod that was measured, which is the one that is created."""
        assert self.pod_request_obj is not None
        self.pod_request_obj.metadata.labels.update(labels, **{LABEL_POD_SET: POD})

    def _manifest(self, context: Context) -> dict[str, Any]:
        """Build the pod once per visit to a worker: building it twice would double its environment."""
        from kubernetes.client import ApiClient

        if self.pod_request_obj is None:
            self.name = self._set_name(self.name)
            self.pod_request_obj = self.build_pod_request_obj(context)
        return cast("dict[str, Any]", ApiClient().sanitize_for_serialization(self.pod_request_obj))

    def _living_pod(self, context: Context) -> bool:
        namespace = self.admission_namespace(context)
        pod = self.find_pod(namespace, context)
        self.pod_request_obj = None
        if pod is None or pod.metadata.deletion_timestamp or pod.status.phase not in ("Pending", "Running"):
            return False
        self.log.info("Going on with pod %s of an earlier try, without queueing", pod.metadata.name)
        return True

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
