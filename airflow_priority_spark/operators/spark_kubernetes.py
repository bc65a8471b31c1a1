# SPDX-License-Identifier: Apache-2.0
"""The operator DAG authors use instead of the stock ``SparkKubernetesOperator``.

A task runs on a worker three times, briefly: to ask for its place in the queue (nothing exists in the
cluster yet), to create the application once it is admitted, and to fetch the driver's log when it has
ended. In between it is deferred. Everything that must survive from one to the next is in the event it
is resumed with, never in this object; each time the manifest is rendered anew and stays on the worker.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnKillAction
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_priority_spark import settings
from airflow_priority_spark.errors import (
    ApplicationFailed,
    CustomResourceMissing,
    InvalidInput,
    PermissionMissing,
    PrioritySparkError,
)
from airflow_priority_spark.operators.application import application_body
from airflow_priority_spark.operators.attempt import (
    clear_number,
    connect,
    outdated,
    task_key,
    warn_of_run_timeout,
)
from airflow_priority_spark.operators.ending import End, keep, kept_because, remove
from airflow_priority_spark.operators.handover import push_driver, reference
from airflow_priority_spark.operators.killing import Target
from airflow_priority_spark.operators.lifecycle import Lifecycle, Timeout, read_lifecycle
from airflow_priority_spark.operators.links import QueueLink, SparkHistoryLink, SparkUILink
from airflow_priority_spark.operators.options import read_options
from airflow_priority_spark.operators.plan import Plan, make_plan
from airflow_priority_spark.operators.template_files import ApplicationOperator
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import describe_demand
from airflow_priority_spark.spark.identity import (
    LABEL_INSTANCE,
    LABEL_TASK_KEY,
    application_name,
    job_labels,
)
from airflow_priority_spark.spark.notices import attached
from airflow_priority_spark.spark.request import (
    AdmissionRequest,
    demand_to_json,
)
from airflow_priority_spark.triggers.admission import AdmissionTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from airflow_priority_spark.cluster.applications import ApplicationView
    from airflow_priority_spark.cluster.connections import ClusterConnection
    from airflow_priority_spark.operators.driver import DriverEnd

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
    :param do_xcom_push: return which application it was (as the API server writes it: ``metadata.name`` …),
        and keep an application that completed until its time to live is over.
    :param notify: notifiers told of the job: names, or ``{notice: names}``; see docs/notifications.md.
    :param queue_timeout: a job that has waited so long is cancelled. This and the other times are seconds or
        a ``timedelta``, 0 for no limit; where none is given, the configuration's counts.
    :param submission_timeout: from the application's creation until its driver pod exists.
    :param driver_scheduling_timeout: from the driver pod's creation until it runs.
    :param executor_readiness_timeout: how long executors of a running driver may find no room before the job
        counts as starved.
    :param run_timeout: from the driver's start to the end; default: the ``execution_timeout``, if any.
    :param on_starvation: ``warn``, ``fail`` or ``requeue`` (delete it and return to the queue).
    :param keep_on_failure: keep an application that has failed until its time to live is over.
    :param application_ttl: ``timeToLiveSeconds`` of an application whose manifest sets none.
    :param protect_driver: mark the driver pod so that node autoscalers do not evict it.
    :param driver_log_bytes: bytes of the driver's log that are copied.
    """

    operator_extra_links = (QueueLink(), SparkUILink(), SparkHistoryLink())
    template_fields = [*SparkKubernetesOperator.template_fields, "priority", "deployment_flow"]  # noqa: RUF012

    def __init__(  # noqa: PLR0913 - one keyword per option
        self,
        *,
        priority: str | None = None,
        deployment_flow: str | None = None,
        dynamic_allocation_reserve: str | None = None,
        unclaimed_seconds: float | None = None,
        on_unclaimed: str | None = None,
        queue_timeout: Timeout = None,
        notify: Any = None,
        submission_timeout: Timeout = None,
        driver_scheduling_timeout: Timeout = None,
        executor_readiness_timeout: Timeout = None,
        run_timeout: Timeout = None,
        on_starvation: str | None = None,
        keep_on_failure: bool | None = None,
        application_ttl: Timeout = None,
        protect_driver: bool | None = None,
        driver_log_bytes: int | None = None,
        namespace: str | None = None,
        do_xcom_push: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(namespace=namespace, do_xcom_push=do_xcom_push, **kwargs)
        self.priority, self.deployment_flow = priority, deployment_flow
        self.dynamic_allocation_reserve = dynamic_allocation_reserve
        self.unclaimed_seconds, self.on_unclaimed = unclaimed_seconds, on_unclaimed
        self.queue_timeout, self.notify = queue_timeout, notify
        self.submission_timeout = submission_timeout
        self.driver_scheduling_timeout = driver_scheduling_timeout
        self.executor_readiness_timeout = executor_readiness_timeout
        self.run_timeout = run_timeout
        self.on_starvation = on_starvation
        self.keep_on_failure, self.application_ttl = keep_on_failure, application_ttl
        self.protect_driver, self.driver_log_bytes = protect_driver, driver_log_bytes
        #: What this process knows of the application, for the links.
        self.application_facts: dict[str, str] = {}
        self._target: Target | None = None

    def execute(self, context: Context) -> None:
        """Check the job, compute its demand and ask for its place in the queue."""
        with self._clear_failures():
            plan = make_plan(self)
            self._tell_plan(context, plan)
            if plan.flow == "legacy":
                why = f"The application asks for {plan.other_queue}" if plan.other_queue else ""
                self.log.info("%s: submitting without a queue", why or "Deployment flow legacy")
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

    def resume_finished(self, context: Context, event: Any = None) -> dict[str, Any] | None:
        """Fetch the driver's log, clean up and end the task as the application ended, or wait once more.

        :param event: what ``SparkApplicationTrigger`` fired.
        :return: with ``do_xcom_push``, which application it was.
        """
        with self._clear_failures():
            found = End.from_event(event)
            self._know(found.namespace, found.name, found.application_id)
            life = read_lifecycle(self, settings.load())
            connection = connect(found.ref)
            end = found.with_error(connection)
            if not self._kept(end, life):
                self._target = Target(connection, end.namespace, end.name, uid=end.uid)
            push_driver(context, end)
            driver = self._read_end(connection, end, life)
            if end.status == "vanished":
                raise ApplicationFailed(end.sentence(driver.sentence))
            again = end.way_back()
            if again and end.job_id and read_options(self).flow != "legacy":
                remove(connection, end.namespace, end.name, end.uid, self.log)
                self._queue(make_plan(self), reason=again, admission=end.admission, application=end.name)
            self._clean_up(connection, end, life)
            if end.status == "failed" and driver.code in self.skip_on_exit_code:
                raise AirflowSkipException(end.sentence(driver.sentence))
            if end.status != "completed":
                raise ApplicationFailed(end.sentence(driver.sentence))
            self.log.info("SparkApplication %s completed", end.where)
            return reference(end) if self.do_xcom_push else None

    def on_kill(self) -> None:
        """Delete the application this process is creating, has created or was given; safe to repeat."""
        if self._target is not None and self.on_kill_action != OnKillAction.KEEP_POD:
            self._target.delete(self.log)

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
            queue_timeout_seconds=plan.life.queue_timeout,
            notify=attached(self.notify),
        ).checked()
        self.application_facts = {"namespace": plan.namespace, "priority": plan.priority}
        again = f", again: {reason}" if reason else ""
        self.log.info("Waiting in the queue %s/%s%s", plan.namespace, plan.priority, again)
        self.defer(
            trigger=AdmissionTrigger(request, plan.unclaimed_seconds, plan.on_unclaimed),
            method_name="resume_admitted",
            kwargs={"demand": demand_to_json(plan.result.demand)},
        )
        raise AssertionError("defer raises")

    def _tell_plan(self, context: Context, plan: Plan) -> None:
        if self.callbacks:
            self.log.warning("callbacks have no effect: no worker watches the driver pod")
        self.log.info("Demand: %s", describe_demand(plan.result.demand))
        for line in plan.result.explain:
            self.log.info("  %s", line)
        for line in plan.result.warnings:
            self.log.warning("%s", line)
        warn_of_run_timeout(context, self.log)

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
        connection = connect(plan.connection)
        adopted = self._adoptable(context, connection, plan, admission)
        if adopted is not None:
            self._follow(plan, admission, adopted)
        reason = outdated(plan.result.demand, admission, demand)
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
        from airflow_priority_spark.operators.submission import find_leftovers

        connection = connect(plan.connection)
        found = None
        if self.reattach_on_restart:
            labels = {LABEL_TASK_KEY: task_key(context).digest(admission.instance_id)}
            left = find_leftovers(connection, plan.namespace, labels, clear_number(context))
            for view in left.outdated:
                self.log.info("SparkApplication %s is of before the task was cleared", view.name)
                remove(connection, view.namespace, view.name, view.uid, self.log)
            found = left.ours
        if found is not None:
            self.log.info("Going on with SparkApplication %s of an earlier try of this task", found.name)
        self._follow(plan, admission, found or self._create(context, connection, plan, admission))

    def _create(
        self, context: Context, connection: ClusterConnection, plan: Plan, admission: AdmissionEvent
    ) -> ApplicationView:
        from airflow_priority_spark.operators.submission import create_application

        key = task_key(context)
        job_id = admission.job_id or str(context["ti"].id)
        number = admission.admission or 1
        labels = job_labels(admission.instance_id, key, job_id, number)
        if not admission.instance_id:
            # Without an arbiter nobody knows the instance id; an empty label would claim to be one.
            del labels[LABEL_INSTANCE]
        name = application_name(key, job_id, number)
        body = application_body(
            plan,
            name=name,
            key=key,
            labels=labels,
            authors_labels=self.labels,
            authors_annotations=self.annotations,
            clear_number=clear_number(context),
        )
        self._target = Target(connection, plan.namespace, name, labels=labels)
        created = create_application(connection, body, labels)
        self._target = Target(connection, plan.namespace, name, uid=created.uid)
        self.log.info("Created SparkApplication %s/%s", plan.namespace, created.name)
        return created

    def _adoptable(
        self, context: Context, connection: ClusterConnection, plan: Plan, admission: AdmissionEvent
    ) -> ApplicationView | None:
        """Return the application of a lost attempt, if the arbiter named one and it still lives."""
        from airflow_priority_spark.operators.submission import find_lost

        if not admission.adopt:
            return None
        labels = {LABEL_TASK_KEY: task_key(context).digest(admission.instance_id)}
        view = find_lost(connection, plan.namespace, admission.adopt, labels, self.log)
        if view is not None:
            self._target = Target(connection, plan.namespace, view.name, uid=view.uid)
        return view

    def _follow(self, plan: Plan, admission: AdmissionEvent, view: ApplicationView) -> NoReturn:
        """Defer until the application has ended."""
        from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger

        self._know(plan.namespace, view.name)
        self.defer(
            trigger=SparkApplicationTrigger(
                connection=plan.connection.to_json(),
                namespace=plan.namespace,
                name=view.name,
                uid=view.uid,
                job_id=admission.job_id,
                admission=admission.admission,
                keep_application=self.on_kill_action == OnKillAction.KEEP_POD,
                limits=plan.life.limits.to_json(),
                executors=plan.executors,
                on_starvation=plan.life.on_starvation,
            ),
            method_name="resume_finished",
        )
        raise AssertionError("defer raises")

    # --- at the end

    def _know(self, namespace: str, name: str, application_id: str = "") -> None:
        self.application_facts |= {"namespace": namespace, "name": name, "application_id": application_id}

    def _read_end(self, connection: ClusterConnection, end: End, life: Lifecycle) -> DriverEnd:
        from airflow_priority_spark.operators.driver import DriverEnd, copy_events, copy_log, driver_end

        if not end.driver_pod:
            return DriverEnd()
        pod = (connection, end.namespace, end.driver_pod)
        if self.get_logs:
            copy_log(*pod, self.log, limit=life.driver_log_bytes)
        if self.log_events_on_failure and end.status != "completed":
            copy_events(*pod, self.log)
        return driver_end(*pod)

    def _kept(self, end: End, life: Lifecycle) -> str:
        return kept_because(
            end,
            delete_on_termination=self.delete_on_termination,
            keep_on_failure=life.keep_on_failure,
            handed_over=self.do_xcom_push,
        )

    def _clean_up(self, connection: ClusterConnection, end: End, life: Lifecycle) -> None:
        option = self._kept(end, life)
        if option:
            keep(connection, end, option, self.log)
        else:
            remove(connection, end.namespace, end.name, end.uid, self.log)

    @contextmanager
    def _clear_failures(self) -> Iterator[None]:
        """Turn our errors into Airflow's: without retries where a retry cannot help."""
        try:
            yield
        except _NO_USE_TO_RETRY as error:
            raise AirflowFailException(str(error)) from error
        except PrioritySparkError as error:
            raise AirflowException(str(error)) from error
