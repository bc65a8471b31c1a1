# SPDX-License-Identifier: Apache-2.0
"""The operator: a drop-in for the stock ``SparkKubernetesOperator`` that waits for its room.

A task runs on a worker three times, for seconds each: to say what it wants (and defer to the queue), to
create its application once it is admitted (and defer to the application's trigger), and to collect the
driver's log and clean up. In between it holds no worker slot. Nothing exists in the cluster before the
admission, and whatever exists afterwards carries the job's identity, so that it is found again by whoever
comes next.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_priority_spark.errors import (
    ClusterUnavailable,
    InvalidInput,
    PrioritySparkError,
)
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.identity import ANNOTATION_TASK, TaskKey, application_name, job_labels
from airflow_priority_spark.spark.request import (
    FLOWS,
    ON_UNCLAIMED,
    AdmissionRequest,
    ConnectionRef,
    demand_from_json,
    demand_to_json,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_priority_spark.operators.applications import Applications
    from airflow_priority_spark.settings import Settings
    from airflow_priority_spark.spark.demand import DemandResult
    from airflow_priority_spark.spark.states import ApplicationStatus

#: Applications without an arbiter (``legacy`` flow, ``dag.test()``) belong to no installation's queue.
NO_INSTANCE = "legacy"


class PrioritySparkKubernetesOperator(SparkKubernetesOperator):
    """Runs a SparkApplication when its queue has room for the driver and all executors.

    Takes what ``SparkKubernetesOperator`` takes, and always defers.

    :param priority: priority pool, e.g. ``high`` or ``normal`` (templated); ``None`` is
        ``[priority_spark] default_priority``.
    :param deployment_flow: ``priority`` (through the queue), ``observe`` (recorded, admitted at once) or
        ``legacy`` (straight to the cluster); templated; ``None`` is ``[priority_spark] deployment_flow``.
    :param dynamic_allocation_reserve: executors reserved under dynamic allocation: ``initial``, ``min`` or
        ``max``; ``None`` is ``[priority_spark] dynamic_allocation_reserve``.
    :param unclaimed_seconds: how long to wait for an arbiter before saying that none came.
    :param on_unclaimed: then ``wait``, ``fail`` or go ``legacy``.
    :raises InvalidInput: an argument that can never be right.
    """

    template_fields: Sequence[str] = (
        *SparkKubernetesOperator.template_fields,
        "priority",
        "deployment_flow",
    )
    ui_color: ClassVar[str] = "#f4a460"

    def __init__(
        self,
        *,
        priority: str | None = None,
        deployment_flow: str | None = None,
        dynamic_allocation_reserve: str | None = None,
        unclaimed_seconds: float | None = None,
        on_unclaimed: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("do_xcom_push"):
            raise InvalidInput(
                "do_xcom_push", True, "False: a Spark driver has no XCom sidecar to read a result from"
            )
        self._one_of("on_unclaimed", on_unclaimed, ON_UNCLAIMED)
        self._one_of("dynamic_allocation_reserve", dynamic_allocation_reserve, ("initial", "min", "max"))
        if unclaimed_seconds is not None and unclaimed_seconds <= 0:
            raise InvalidInput("unclaimed_seconds", unclaimed_seconds, "a number of seconds above 0")
        kwargs["deferrable"] = True
        super().__init__(**kwargs)
        self.priority = priority
        self.deployment_flow = deployment_flow
        self.dynamic_allocation_reserve = dynamic_allocation_reserve
        self.unclaimed_seconds = unclaimed_seconds
        self.on_unclaimed = on_unclaimed
        self._application: tuple[str, str] | None = None

    @staticmethod
    def _one_of(field: str, value: str | None, allowed: Sequence[str]) -> None:
        if value is not None and value not in allowed:
            raise InvalidInput(field, value, ", ".join(allowed))

    # The first time on a worker: say what is wanted.

    def execute(self, context: Context) -> None:
        """Compute the demand and defer to the queue; in the ``legacy`` flow, submit at once."""
        try:
            settings = self._settings()
            manifest = self._manifest()
            result = self._demand(manifest, settings)
            flow = self.deployment_flow or settings.deployment_flow
            self._one_of("deployment_flow", flow, FLOWS)
            self._say_demand(result)
            if _in_dag_test():
                self.log.info("dag.test(): admitted at once, no queue is asked")
                self._create(context, manifest, self._without_queue(context))
            elif flow == "legacy":
                self.log.info("Deployment flow legacy: straight to the cluster, no queue is asked")
                self._create(context, manifest, self._without_queue(context))
            else:
                self._enqueue(settings, manifest, result)
        except PrioritySparkError as error:
            self._fail(error)

    def _enqueue(
        self,
        settings: Settings,
        manifest: Mapping[str, Any],
        result: DemandResult,
        *,
        reason: str = "",
        admission: int = 0,
        application: str = "",
    ) -> None:
        from airflow_priority_spark.triggers.admission import AdmissionTrigger

        flow = self.deployment_flow or settings.deployment_flow
        request = AdmissionRequest(
            namespace=self._queue_namespace(manifest),
            priority=self.priority or settings.default_priority,
            demand=result.demand,
            connection=self._connection(),
            flow="observe" if flow == "observe" else "priority",
            reason=reason,
            admission=admission,
            application=application,
            keep_application=not self.delete_on_termination,
        )
        back = f", back because of {reason}" if reason else ""
        self.log.info("Waiting in queue %s, priority %s%s", request.namespace, request.priority, back)
        self.defer(
            trigger=AdmissionTrigger(
                request=request.to_json(),
                unclaimed_seconds=self.unclaimed_seconds or settings.unclaimed_seconds,
                on_unclaimed=self.on_unclaimed or settings.on_unclaimed,
            ),
            method_name="resume_admitted",
            kwargs={"demand": demand_to_json(result.demand)},
        )

    # The second time: create the application.

    def resume_admitted(
        self, context: Context, event: Mapping[str, Any], demand: Mapping[str, Any] | None = None
    ) -> None:
        """Create the application of an admitted job and defer to its end.

        :param event: ``AdmissionEvent.to_payload()``.
        :param demand: what was admitted; without it the freshly computed demand is taken as admitted.
        """
        try:
            admitted = AdmissionEvent.from_payload(event)
            self._say_wait(admitted)
            admitted = self._judge(context, admitted)
            settings, manifest = self._settings(), self._manifest()
            result = self._demand(manifest, settings)
            stale = self._stale(admitted, result, demand)
            if stale:
                self._enqueue(settings, manifest, result, reason=stale, admission=admitted.admission)
            self._create(context, manifest, admitted, settings=settings, result=result)
        except PrioritySparkError as error:
            self._fail(error)

    def _judge(self, context: Context, event: AdmissionEvent) -> AdmissionEvent:
        """Return the admission to use; fail the task when there is none."""
        if event.outcome in ("admitted", "legacy"):
            return event
        if event.outcome == "unclaimed" and (self.on_unclaimed or self._settings().on_unclaimed) == "legacy":
            self.log.warning("No arbiter came; going on without a queue (on_unclaimed = legacy)")
            return self._without_queue(context)
        failure = AirflowException if event.retry else AirflowFailException
        raise failure(event.reason)

    @staticmethod
    def _stale(event: AdmissionEvent, result: DemandResult, demand: Mapping[str, Any] | None) -> str:
        """Return why the admission cannot be used any more, empty when it can."""
        from airflow_priority_spark.spark.demand import excess

        if event.outcome != "admitted" or event.adopt:
            return ""
        late = time.time() - event.valid_until
        if late > 0:
            return f"admission {event.admission} ended {late:.0f} s before a worker came"
        more = excess(result.demand, demand_from_json(demand)) if demand else ""
        return f"the demand has grown since the admission: {more}" if more else ""

    def _create(
        self,
        context: Context,
        manifest: Mapping[str, Any],
        event: AdmissionEvent,
        *,
        settings: Settings | None = None,
        result: DemandResult | None = None,
    ) -> None:
        from airflow_priority_spark.operators.applications import QuotaRefusal
        from airflow_priority_spark.spark.manifest import prepare

        key, namespace = _task_key(context), self._queue_namespace(manifest)
        labels = job_labels(event.instance_id or NO_INSTANCE, key, event.job_id, event.admission)
        status = self._adopted(event, namespace)
        if status is None:
            name = application_name(key, event.job_id, event.admission)
            made = prepare(
                manifest,
                name=name,
                namespace=namespace,
                labels=labels,
                annotations={ANNOTATION_TASK: key.readable()},
            )
            try:
                status = self._applications(namespace).create(made, labels)
            except QuotaRefusal as refusal:
                if settings is None or result is None:
                    raise
                reason = f"stale quota: {refusal}"
                self._enqueue(settings, manifest, result, reason=reason, admission=event.admission)
            self.log.info("Created SparkApplication %s/%s", namespace, name)
        self._follow(status, namespace, event)

    def _adopted(self, event: AdmissionEvent, namespace: str) -> ApplicationStatus | None:
        """Return the application of a lost attempt that this one takes up, if it is still there."""
        from airflow_priority_spark.spark.states import read_status

        if not event.adopt:
            return None
        found = self._applications(namespace).raw(event.adopt)
        if found is None:
            raise ClusterUnavailable(f"SparkApplication {event.adopt} of the lost attempt is gone")
        self.log.info("Taking up SparkApplication %s/%s of the lost attempt", namespace, event.adopt)
        return read_status(found)

    def _follow(self, status: ApplicationStatus, namespace: str, event: AdmissionEvent) -> None:
        from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger

        self._application = (status.name, status.uid)
        self.defer(
            trigger=SparkApplicationTrigger(
                connection=self._connection().to_json(),
                namespace=namespace,
                name=status.name,
                uid=status.uid,
                delete_on_kill=self.delete_on_termination,
            ),
            method_name="resume_finished",
            kwargs={"admission": event.admission},
        )

    # The third time: collect and clean up.

    def resume_finished(
        self,
        context: Context,  # noqa: ARG002 - Airflow passes it
        event: Mapping[str, Any],
        admission: int | None = None,
    ) -> None:
        """Copy the driver's log, clean up, and end the task as the application ended.

        :param event: of ``SparkApplicationTrigger``.
        :param admission: number of the admission that created the application, 0 outside a queue.
        """
        manifest = self._manifest()
        namespace = self._queue_namespace(manifest)
        status, name = str(event["status"]), str(event["name"])
        self._application = (name, str(event["uid"]))
        if status == "refused" and admission:
            self._back_to_the_queue(manifest, namespace, event, admission)
        pod = str(event.get("driver_pod") or "")
        self._copy_driver_log(namespace, pod)
        why = "" if status == "completed" else self._why(namespace, pod, event)
        self._clean_up(namespace)
        if why:
            raise AirflowException(why)
        self.log.info("SparkApplication %s/%s completed", namespace, name)

    def _back_to_the_queue(
        self, manifest: Mapping[str, Any], namespace: str, event: Mapping[str, Any], admission: int
    ) -> None:
        """Nothing ran: a quota refused the driver. Remove the application and wait at the old position."""
        name, uid = str(event["name"]), str(event["uid"])
        self._applications(namespace).delete(name, uid)
        settings = self._settings()
        self._enqueue(
            settings,
            manifest,
            self._demand(manifest, settings),
            reason=f"stale quota: {event.get('message')}",
            admission=admission,
            application=name,
        )

    def _copy_driver_log(self, namespace: str, pod: str) -> None:
        from airflow_priority_spark.operators.driver_log import driver_log

        if not self.get_logs:
            return
        self.log.info("::group::Log of driver pod %s", pod or "(none)")
        try:
            for line in driver_log(self.client, namespace, pod, self.BASE_CONTAINER_NAME):
                self.log.info("[driver] %s", line)
        except Exception as error:
            # Whatever is wrong with the log, the task ends as its application did.
            self.log.warning("The log of driver pod %s cannot be read: %s", pod, error)
        self.log.info("::endgroup::")

    def _why(self, namespace: str, pod: str, event: Mapping[str, Any]) -> str:
        from airflow_priority_spark.operators.driver_log import exit_reason

        name = event["name"]
        if event["status"] == "vanished":
            return f"SparkApplication {namespace}/{name} is gone: it was deleted before it had ended"
        try:
            ended = exit_reason(self.client, namespace, pod, self.BASE_CONTAINER_NAME)
        except Exception:
            self.log.debug("The driver pod %s cannot be read", pod, exc_info=True)
            ended = ""
        parts = [part for part in (str(event.get("message") or ""), ended) if part]
        said = ": " + "; ".join(parts) if parts else ""
        return f"SparkApplication {namespace}/{name} ended as {event.get('state') or 'unknown'}{said}"

    def _clean_up(self, namespace: str) -> None:
        """Delete the application if that is wanted; failing to is no reason to fail the task."""
        if self._application is None:
            return
        name, uid = self._application
        if not self.delete_on_termination:
            self.log.info("Keeping SparkApplication %s/%s (delete_on_termination is False)", namespace, name)
            return
        try:
            if self._applications(namespace).delete(name, uid):
                self.log.info("Deleted SparkApplication %s/%s", namespace, name)
        except Exception as error:
            self.log.warning("Could not delete SparkApplication %s/%s: %s", namespace, name, error)

    def on_kill(self) -> None:
        """Delete the application if this worker knows it; the arbiter sees to the rest."""
        if self._application is not None and self.delete_on_termination:
            self._clean_up(self._queue_namespace(self._manifest()))

    # What the three have in common.

    def _manifest(self) -> dict[str, Any]:
        """Return the SparkApplication that this task wants, validated."""
        from airflow_priority_spark.spark.manifest import validate_manifest

        body = self.template_body
        if body.get("kubernetes") or _has_container_resources(body["spark"]):
            manifest = self._through_the_stock_launcher(body)
        else:
            manifest = copy.deepcopy(body["spark"])
        spec = manifest.get("spec")
        if isinstance(spec, dict):
            if self.image:
                spec["image"] = self.image
            if self.code_path:
                spec["mainApplicationFile"] = self.code_path
        validate_manifest(manifest)
        return manifest

    def _through_the_stock_launcher(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let the stock provider merge ``template_spec.kubernetes`` and ``container_resources``."""
        from airflow.providers.cncf.kubernetes.operators.custom_object_launcher import CustomObjectLauncher

        copied = copy.deepcopy(body)
        spec = copied["spark"].setdefault("spec", {})
        spec.setdefault("labels", {})
        launcher = CustomObjectLauncher(
            name=self.name or self.task_id,
            namespace=self.namespace,
            kube_client=None,
            custom_obj_api=None,
            template_body=copied,
        )
        made = dict(launcher.body)
        made["spec"] = {name: value for name, value in made["spec"].items() if name != "labels"}
        return made

    def _demand(self, manifest: Mapping[str, Any], settings: Settings) -> DemandResult:
        from airflow_priority_spark.spark.demand import compute_demand

        reserve = self.dynamic_allocation_reserve or settings.dynamic_allocation_reserve
        return compute_demand(manifest, reserve=reserve)  # type: ignore[arg-type] # checked above

    def _queue_namespace(self, manifest: Mapping[str, Any]) -> str:
        """Return the namespace: the operator's, unless only the manifest names one."""
        written = (manifest.get("metadata") or {}).get("namespace")
        return str(written if written and self.namespace == "default" else self.namespace)

    def _connection(self) -> ConnectionRef:
        cluster = self.template_body.get("kubernetes") or {}
        return ConnectionRef(
            conn_id=self.kubernetes_conn_id,
            cluster_context=self.cluster_context or cluster.get("cluster_context"),
            config_file=self.config_file or cluster.get("kube_config_file"),
            in_cluster=self.in_cluster or cluster.get("in_cluster"),
        )

    def _applications(self, namespace: str) -> Applications:
        from airflow_priority_spark.operators.applications import Applications

        return Applications(self.hook.custom_object_client, namespace)

    @staticmethod
    def _settings() -> Settings:
        from airflow_priority_spark.settings import load

        return load()

    @staticmethod
    def _without_queue(context: Context) -> AdmissionEvent:
        return AdmissionEvent(outcome="legacy", job_id=str(context["ti"].id), instance_id=NO_INSTANCE)

    def _say_demand(self, result: DemandResult) -> None:
        from airflow_priority_spark.spark.demand import describe_demand

        self.log.info("Demand: %s", describe_demand(result.demand))
        for line in result.explain:
            self.log.info("  %s", line)
        for line in result.warnings:
            self.log.warning("Demand: %s", line)

    def _say_wait(self, event: AdmissionEvent) -> None:
        for line in event.history:
            self.log.info("Queue: %s", line)
        if event.outcome == "admitted":
            self.log.info(
                "Admitted after %.0f s (queue %s, priority %s, admission %d)",
                event.waited_seconds,
                event.queue,
                event.pool,
                event.admission,
            )

    @staticmethod
    def _fail(error: PrioritySparkError) -> NoReturn:
        """End the task: without retries when trying again cannot help."""
        if isinstance(error, ClusterUnavailable):
            raise AirflowException(str(error)) from error
        raise AirflowFailException(str(error)) from error


def _task_key(context: Context) -> TaskKey:
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    return TaskKey(ti.dag_id, ti.run_id, ti.task_id, map_index)


def _has_container_resources(spark: Mapping[str, Any]) -> bool:
    spec = spark.get("spec") or {}
    return any("container_resources" in (spec.get(role) or {}) for role in ("driver", "executor"))


def _in_dag_test() -> bool:
    """Tell whether this is ``dag.test()``: the task and its supervisor are one process.

    Source: ``InProcessTestSupervisor`` in ``airflow/sdk/execution_time/supervisor.py``.
    """
    from airflow.sdk.execution_time import task_runner

    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    return type(comms).__name__ == "InProcessSupervisorComms"
