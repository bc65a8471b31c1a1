# SPDX-License-Identifier: Apache-2.0
"""The operator DAG authors use instead of the stock ``SparkKubernetesOperator``.

A task runs on a worker three times, briefly: to ask for its place in the queue (nothing exists in the
cluster yet), to create the application once it is admitted, and to fetch the driver's log when it has
ended. In between it is deferred. Everything that must survive from one to the next is in the event it
is resumed with, never in this object; each time the manifest is rendered anew and stays on the worker.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnKillAction
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_priority_spark.errors import (
    ApplicationFailed,
    CustomResourceMissing,
    InvalidInput,
    PermissionMissing,
    PrioritySparkError,
)
from airflow_priority_spark.operators.plan import Plan, make_plan
from airflow_priority_spark.operators.template_files import ApplicationOperator
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import describe_demand, excess
from airflow_priority_spark.spark.identity import (
    ANNOTATION_TASK,
    LABEL_INSTANCE,
    LABEL_TASK_KEY,
    TaskKey,
    application_name,
    belongs_to,
    job_labels,
)
from airflow_priority_spark.spark.manifest import prepare
from airflow_priority_spark.spark.request import (
    AdmissionRequest,
    ConnectionRef,
    demand_from_json,
    demand_to_json,
)
from airflow_priority_spark.spark.states import is_quota_refusal
from airflow_priority_spark.triggers.admission import AdmissionTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Context

    from airflow_priority_spark.cluster.applications import ApplicationView
    from airflow_priority_spark.cluster.connections import ClusterConnection

_NO_USE_TO_RETRY = (InvalidInput, CustomResourceMissing, PermissionMissing)


class PrioritySparkKubernetesOperator(ApplicationOperator):
    """Queues a SparkApplication by priority and runs it when the cluster has room for all of it.

    It takes what the stock operator takes. It always defers; ``deferrable``, ``startup_timeout_seconds``
    and ``random_name_suffix`` have no effect, and the application's name is made from DAG, task and job.

    :param priority: priority pool, e.g. ``high``; default ``[priority_spark] default_priority``. Templated.
    :param deployment_flow: ``priority``, ``observe`` or ``legacy``; default
        ``[priority_spark] deployment_flow``. Templated.
    :param dynamic_allocation_reserve: executors reserved under dynamic allocation: ``initial``, ``min`` or
        ``max``.
    :param unclaimed_seconds: after so long without an arbiter the task log says so.
    :param on_unclaimed: what happens then: ``wait``, ``fail`` or ``legacy``.
    :param namespace: default: the manifest's, else ``default``.
    """

    template_fields = [*SparkKubernetesOperator.template_fields, "priority", "deployment_flow"]  # noqa: RUF012

    def __init__(
        self,
        *,
        priority: str | None = None,
        deployment_flow: str | None = None,
        dynamic_allocation_reserve: str | None = None,
        unclaimed_seconds: float | None = None,
        on_unclaimed: str | None = None,
        namespace: str | None = None,
        do_xcom_push: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(namespace=namespace, do_xcom_push=do_xcom_push, **kwargs)
        if do_xcom_push:
            raise ValueError(
                f"do_xcom_push: True is not valid for task {self.task_id!r}; allowed: False. A driver pod "
                "has no XCom sidecar to read a result from; let the job write its result to storage."
            )
        self.priority = priority
        self.deployment_flow = deployment_flow
        self.dynamic_allocation_reserve = dynamic_allocation_reserve
        self.unclaimed_seconds = unclaimed_seconds
        self.on_unclaimed = on_unclaimed
        self._target: tuple[ClusterConnection, str, str, Mapping[str, str]] | None = None

    def execute(self, context: Context) -> None:
        """Check the job, compute its demand and ask for its place in the queue."""
        with self._clear_failures():
            plan = make_plan(self)
            self._tell_plan(context, plan)
            if plan.flow == "legacy":
                self.log.info("Deployment flow legacy: submitting without a queue")
                self._submit_legacy(context, plan, AdmissionEvent(outcome="legacy"))
            self._queue(plan)

    def resume_admitted(
        self, context: Context, event: Any = None, demand: dict[str, Any] | None = None
    ) -> None:
        """Go on after the queue: create the application, come back later, or fail with the reason.

        :param event: payload of an ``AdmissionEvent``.
        :param demand: what was asked for; absent under ``dag.test()``.
        """
        with self._clear_failures():
            admission = AdmissionEvent.from_payload(event)
            for line in admission.history:
                self.log.info("  %s", line)
            if admission.outcome in ("cancelled", "impossible"):
                failure = AirflowException if admission.retry else AirflowFailException
                raise failure(f"{admission.outcome}: {admission.reason}")
            plan = make_plan(self)
            if admission.outcome == "unclaimed":
                if plan.on_unclaimed != "legacy":
                    raise AirflowException(admission.reason)
                self.log.warning("%s Submitting without a queue, as on_unclaimed asks.", admission.reason)
            if admission.outcome != "admitted":
                self._submit_legacy(context, plan, admission)
            self._submit_admitted(context, plan, admission, demand)

    def resume_finished(self, context: Context, event: Any = None) -> None:  # noqa: ARG002 - Airflow's call
        """Fetch the driver's log, clean up and end the task as the application ended.

        :param event: what ``SparkApplicationTrigger`` fired.
        """
        with self._clear_failures():
            plan = make_plan(self)
            connection = _connect(plan.connection)
            ended = self._read_end(connection, event)
            if event["status"] == "vanished":
                raise AirflowException(f"{event['message']} before it had ended; nobody told this task why.")
            stale = event["status"] == "failed" and is_quota_refusal(event["message"])
            if stale and event["job_id"] and plan.flow != "legacy":
                self._delete(connection, event["namespace"], event["name"], event["uid"])
                self._queue(
                    plan,
                    reason=f"stale quota: {event['message']}",
                    admission=event["admission"],
                    application=event["name"],
                )
            self._clean_up(connection, event)
            if event["status"] != "completed":
                raise AirflowException(str(_failure(event, ended)))
            self.log.info("SparkApplication %s/%s completed", event["namespace"], event["name"])

    def on_kill(self) -> None:
        """Delete the application this process is creating or has created; safe to repeat."""
        from airflow_priority_spark.cluster.applications import get_application

        if self._target is None or self.on_kill_action == OnKillAction.KEEP_POD:
            return
        connection, namespace, name, labels = self._target
        view = get_application(connection, namespace, name)
        if view is not None and belongs_to(view.labels, labels):
            self.log.info("Killed: deleting SparkApplication %s/%s", namespace, name)
            self._delete(connection, namespace, name, view.uid)

    # --- into the queue

    def _queue(self, plan: Plan, *, reason: str = "", admission: int = 0, application: str = "") -> NoReturn:
        """Defer with the request; deferring is enqueueing."""
        request = AdmissionRequest(
            namespace=plan.namespace,
            priority=plan.priority,
            demand=plan.result.demand,
            connection=plan.connection,
            flow=plan.flow,
            reason=reason,
            admission=admission,
            application=application,
            keep_application=self.on_kill_action == OnKillAction.KEEP_POD,
        ).checked()
        again = f", again: {reason}" if reason else ""
        self.log.info("Waiting in the queue %s/%s%s", plan.namespace, plan.priority, again)
        self.defer(
            trigger=AdmissionTrigger(request, plan.unclaimed_seconds, plan.on_unclaimed),
            method_name="resume_admitted",
            kwargs={"demand": demand_to_json(plan.result.demand)},
        )
        raise AssertionError("defer raises")

    def _tell_plan(self, context: Context, plan: Plan) -> None:
        self.log.info("Demand: %s", describe_demand(plan.result.demand))
        for line in plan.result.explain:
            self.log.info("  %s", line)
        for line in plan.result.warnings:
            self.log.warning("%s", line)
        timeout = getattr(context["dag"], "dagrun_timeout", None)
        if timeout is not None:
            self.log.warning(
                "The DAG has a dagrun_timeout of %s: time in the queue counts, and a run that is over it "
                "skips this task while it waits",
                timeout,
            )

    # --- out of the queue

    def _submit_admitted(
        self, context: Context, plan: Plan, admission: AdmissionEvent, demand: dict[str, Any] | None
    ) -> NoReturn:
        from airflow_priority_spark.operators.submission import StaleQuotaError

        self.log.info(
            "Queue %s: admitted after %.0f s (admission %d)",
            f"{plan.namespace}/{plan.priority}",
            admission.waited_seconds,
            admission.admission,
        )
        connection = _connect(plan.connection)
        adopted = self._adoptable(context, connection, plan, admission)
        if adopted is not None:
            self._follow(plan, admission, adopted)
        reason = _outdated(plan, admission, demand)
        if reason:
            self.log.warning("Nothing was created: %s", reason)
            self._queue(plan, reason=reason, admission=admission.admission)
        try:
            created = self._create(context, connection, plan, admission)
        except StaleQuotaError as error:
            self.log.warning("The cluster has no room after all: %s", error)
            self._queue(plan, reason=f"stale quota: {error}", admission=admission.admission)
        self._follow(plan, admission, created)

    def _submit_legacy(self, context: Context, plan: Plan, admission: AdmissionEvent) -> NoReturn:
        """Create the application without a queue, or go on with one that a lost worker left."""
        from airflow_priority_spark.operators.submission import living_application

        connection = _connect(plan.connection)
        key = _task_key(context)
        found = None
        if self.reattach_on_restart:
            labels = {LABEL_TASK_KEY: key.digest(admission.instance_id)}
            found = living_application(connection, plan.namespace, labels)
        if found is not None:
            self.log.info("Going on with SparkApplication %s of an earlier try of this task", found.name)
        self._follow(plan, admission, found or self._create(context, connection, plan, admission))

    def _create(
        self, context: Context, connection: ClusterConnection, plan: Plan, admission: AdmissionEvent
    ) -> ApplicationView:
        from airflow_priority_spark.operators.submission import create_application

        key = _task_key(context)
        job_id = admission.job_id or str(context["ti"].id)
        number = admission.admission or 1
        labels = job_labels(admission.instance_id, key, job_id, number)
        if not admission.instance_id:
            # Without an arbiter nobody knows the instance id; an empty label would claim to be one.
            del labels[LABEL_INSTANCE]
        name = application_name(key, job_id, number)
        body = prepare(
            plan.manifest,
            name=name,
            namespace=plan.namespace,
            labels={**{str(key): str(value) for key, value in self.labels.items()}, **labels},
            annotations={
                **{str(key): str(value) for key, value in self.annotations.items()},
                ANNOTATION_TASK: key.readable(),
            },
        )
        self._target = (connection, plan.namespace, name, labels)
        created = create_application(connection, body, labels)
        self.log.info("Created SparkApplication %s/%s", plan.namespace, created.name)
        return created

    def _adoptable(
        self, context: Context, connection: ClusterConnection, plan: Plan, admission: AdmissionEvent
    ) -> ApplicationView | None:
        """Return the application of a lost attempt, if the arbiter named one and it still lives."""
        from airflow_priority_spark.cluster.applications import get_application

        if not admission.adopt:
            return None
        view = get_application(connection, plan.namespace, admission.adopt)
        labels = {LABEL_TASK_KEY: _task_key(context).digest(admission.instance_id)}
        if view is None or view.deleting or not belongs_to(view.labels, labels):
            self.log.warning("SparkApplication %s of the lost attempt is gone", admission.adopt)
            return None
        self.log.info("Going on with SparkApplication %s of the lost attempt", view.name)
        self._target = (connection, plan.namespace, view.name, labels)
        return view

    def _follow(self, plan: Plan, admission: AdmissionEvent, view: ApplicationView) -> NoReturn:
        """Defer until the application has ended."""
        from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger

        self.defer(
            trigger=SparkApplicationTrigger(
                connection=plan.connection.to_json(),
                namespace=plan.namespace,
                name=view.name,
                uid=view.uid,
                job_id=admission.job_id,
                admission=admission.admission,
                keep_application=self.on_kill_action == OnKillAction.KEEP_POD,
            ),
            method_name="resume_finished",
        )
        raise AssertionError("defer raises")

    # --- at the end

    def _read_end(self, connection: ClusterConnection, event: Mapping[str, Any]) -> str:
        from airflow_priority_spark.operators.driver import copy_log, describe_end

        if not event["driver_pod"]:
            return ""
        if self.get_logs:
            copy_log(connection, event["namespace"], event["driver_pod"], self.log)
        return describe_end(connection, event["namespace"], event["driver_pod"])

    def _clean_up(self, connection: ClusterConnection, event: Mapping[str, Any]) -> None:
        if self.delete_on_termination:
            self._delete(connection, event["namespace"], event["name"], event["uid"])
        else:
            self.log.info(
                "SparkApplication %s/%s is kept (delete_on_termination)", event["namespace"], event["name"]
            )

    def _delete(self, connection: ClusterConnection, namespace: str, name: str, uid: str) -> None:
        """Delete an application; a failure to do so is told and never hides how the job ended."""
        from airflow_priority_spark.cluster.applications import delete_application

        try:
            result = delete_application(connection, namespace, name, uid)
        except PrioritySparkError as error:
            self.log.warning("SparkApplication %s/%s could not be deleted: %s", namespace, name, error)
        else:
            self.log.info("SparkApplication %s/%s: deletion %s", namespace, name, result)

    @contextmanager
    def _clear_failures(self) -> Iterator[None]:
        """Turn our errors into Airflow's: without retries where a retry cannot help."""
        try:
            yield
        except _NO_USE_TO_RETRY as error:
            raise AirflowFailException(str(error)) from error
        except PrioritySparkError as error:
            raise AirflowException(str(error)) from error


def _connect(ref: ConnectionRef) -> ClusterConnection:
    from airflow_priority_spark.cluster.connections import resolve

    return resolve(ref)


def _task_key(context: Context) -> TaskKey:
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    return TaskKey(ti.dag_id, ti.run_id, ti.task_id, map_index)


def _outdated(plan: Plan, admission: AdmissionEvent, demand: dict[str, Any] | None) -> str:
    """Say why the admission does not hold any more; empty when it does."""
    if admission.valid_until and time.time() > admission.valid_until:
        late = time.time() - admission.valid_until
        return f"the admission had run out {late:.0f} s before a worker took the task up"
    more = excess(plan.result.demand, demand_from_json(demand)) if demand else ""
    return f"the demand has grown while the task waited: {more}" if more else ""


def _failure(event: Mapping[str, Any], ended: str) -> ApplicationFailed:
    parts = [f"SparkApplication {event['namespace']}/{event['name']} ended as {event['state']}"]
    parts += [part for part in (ended, event["message"]) if part]
    return ApplicationFailed("; ".join(parts))
