# SPDX-License-Identifier: Apache-2.0
"""Everything a worker knows about a job before it talks to anybody.

It is made anew each time the task is on a worker: templates may render differently, and the
configuration may have changed. An option that is wrong fails the task here, by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from airflow_priority_spark import settings
from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.operators.bypass import other_queue
from airflow_priority_spark.operators.handover import refuse_sidecar
from airflow_priority_spark.operators.lifecycle import Lifecycle, read_lifecycle
from airflow_priority_spark.operators.options import one_of, read_options
from airflow_priority_spark.operators.rendering import render_manifest
from airflow_priority_spark.spark.demand import RESERVES, DemandResult, Reserve, compute_demand
from airflow_priority_spark.spark.manifest import validate_manifest
from airflow_priority_spark.spark.names import check_namespace
from airflow_priority_spark.spark.request import ConnectionRef, Flow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked job.

    :param manifest: the rendered SparkApplication; it never leaves the worker but for the cluster.
    :param unclaimed_seconds: see ``AdmissionTrigger``.
    :param on_unclaimed: see ``AdmissionTrigger``.
    :param other_queue: whose queue the application asks for instead of ours, empty for ours.
    """

    manifest: Mapping[str, Any]
    namespace: str
    result: DemandResult
    connection: ConnectionRef
    priority: str
    flow: Flow
    unclaimed_seconds: float
    on_unclaimed: str
    life: Lifecycle
    other_queue: str = ""

    @property
    def executors(self) -> int:
        """Executors that room is reserved for."""
        return sum(pods.count for pods in self.result.demand.pod_sets if pods.name == "executor")


def make_plan(operator: PrioritySparkKubernetesOperator) -> Plan:
    """Render, check and measure what an operator is to run.

    :raises InvalidInput: naming the field or option, its value and what is allowed.
    """
    configured = settings.load()
    options = read_options(operator, configured)
    reserve = one_of(
        "dynamic_allocation_reserve",
        operator.dynamic_allocation_reserve or configured.dynamic_allocation_reserve,
        RESERVES,
    )
    template = _template(operator)
    manifest = render_manifest(template, image=operator.image, code_path=operator.code_path)
    validate_manifest(manifest)
    result = compute_demand(manifest, reserve=cast("Reserve", reserve))
    if operator.do_xcom_push:
        refuse_sidecar(manifest)
    elsewhere = other_queue(manifest)
    return Plan(
        manifest=manifest,
        namespace=_namespace(operator, manifest),
        result=result,
        connection=_connection(operator, template.get("kubernetes") or {}),
        priority=options.priority,
        flow="legacy" if elsewhere else options.flow,
        unclaimed_seconds=options.unclaimed_seconds,
        on_unclaimed=options.on_unclaimed,
        life=read_lifecycle(operator, configured),
        other_queue=elsewhere,
    )


def _template(operator: PrioritySparkKubernetesOperator) -> dict[str, Any]:
    if not operator.application_file and not operator.template_spec:
        raise InvalidManifest("application_file", None, "application_file or template_spec must be given")
    try:
        body = operator.manage_template_specs()
    except TypeError:
        raise InvalidManifest(
            "application_file", operator.application_file, "a path to, or the text of, a YAML or JSON mapping"
        ) from None
    return body


def _namespace(operator: PrioritySparkKubernetesOperator, manifest: Mapping[str, Any]) -> str:
    written = (manifest.get("metadata") or {}).get("namespace")
    namespace = operator.namespace or written or "default"
    if written and written != namespace:
        operator.log.warning(
            "The manifest's namespace %r is replaced by the operator's %r", written, namespace
        )
    return check_namespace("namespace", str(namespace))


def _connection(operator: PrioritySparkKubernetesOperator, section: Mapping[str, Any]) -> ConnectionRef:
    """Return the way to the cluster: the operator's arguments, else the template's ``kubernetes`` section."""
    in_cluster = operator.in_cluster if operator.in_cluster is not None else section.get("in_cluster")
    return ConnectionRef(
        conn_id=operator.kubernetes_conn_id,
        cluster_context=operator.cluster_context or section.get("cluster_context"),
        config_file=operator.config_file or section.get("kube_config_file"),
        in_cluster=in_cluster,
    )
