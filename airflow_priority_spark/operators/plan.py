# SPDX-License-Identifier: Apache-2.0
"""Everything a worker knows about a job before it talks to anybody.

It is made anew each time the task is on a worker: templates may render differently, and the
configuration may have changed. An option that is wrong fails the task here, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.sdk.exceptions import AirflowException

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
    from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

#: Characters of a text that nobody can read which a message shows.
_SHOWN: Final = 60


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
    _check_texts(operator)
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
    given = operator.application_file
    if not given and not operator.template_spec:
        raise InvalidManifest("application_file", None, "application_file or template_spec must be given")
    allowed = "a path to, or the text of, a YAML or JSON mapping"
    if given and not isinstance(given, (str, Mapping)):
        raise InvalidManifest("application_file", given, allowed)
    try:
        return operator.manage_template_specs()
    except TypeError:
        raise InvalidManifest(_where_from(operator), given or operator.template_spec, allowed) from None
    except AirflowException as error:
        # What a parser says has line and column; the text itself may be long.
        raise InvalidManifest("application_file", _beginning(given), f"{allowed}; {error}") from None


def _where_from(operator: PrioritySparkKubernetesOperator) -> str:
    return "application_file" if operator.application_file else "template_spec"


def _beginning(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _namespace(operator: PrioritySparkKubernetesOperator, manifest: Mapping[str, Any]) -> str:
    written = (manifest.get("metadata") or {}).get("namespace")
    namespace = operator.namespace or written or "default"
    if written and written != namespace:
        operator.log.warning(
            "The manifest's namespace %r is replaced by the operator's %r", written, namespace
        )
    return check_namespace("namespace", str(namespace))


def _check_texts(operator: PrioritySparkKubernetesOperator) -> None:
    for name in ("labels", "annotations"):
        value = getattr(operator, name)
        if value and not isinstance(value, Mapping):
            raise InvalidManifest(name, value, "a mapping of strings")


def _connection(operator: PrioritySparkKubernetesOperator, section: Mapping[str, Any]) -> ConnectionRef:
    """Return the way to the cluster: the operator's arguments, else the template's ``kubernetes`` section."""
    in_cluster = operator.in_cluster if operator.in_cluster is not None else section.get("in_cluster")
    return ConnectionRef(
        conn_id=operator.kubernetes_conn_id,
        cluster_context=operator.cluster_context or section.get("cluster_context"),
        config_file=operator.config_file or section.get("kube_config_file"),
        in_cluster=in_cluster,
    )
