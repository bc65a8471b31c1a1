# SPDX-License-Identifier: Apache-2.0
"""Admission for any Kubernetes operator: its task waits in the queue, then does what it always did.

The queue knows nothing of Spark: a job is a demand, and a grant charges what the job's own pods do not
use yet. So an operator takes part when it can say what its pods will ask for before it makes them, and
when its pods carry the job's labels. The rest is here: deferring with the request, and going on with
the answer.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.providers.cncf.kubernetes.utils.pod_manager import OnKillAction
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_priority_spark import settings
from airflow_priority_spark.errors import InvalidInput, PrioritySparkError
from airflow_priority_spark.operators.attempt import outdated, task_key, warn_of_run_timeout
from airflow_priority_spark.operators.lifecycle import Timeout, seconds
from airflow_priority_spark.operators.options import Options, read_options
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import describe_demand
from airflow_priority_spark.spark.identity import job_labels
from airflow_priority_spark.spark.notices import attached
from airflow_priority_spark.spark.request import (
    AdmissionRequest,
    ConnectionRef,
    demand_to_json,
)
from airflow_priority_spark.triggers.admission import AdmissionTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Context

    from airflow_priority_spark.scheduling.model import Demand

#: What an operator with admission templates besides its own fields.
TEMPLATED: Final = ("priority", "deployment_flow")


class AdmissionMixin(BaseOperator):
    """Stands before an operator's class and makes its task wait for room.

    A class that uses it says what its pods ask for and where (``admission_demand``,
    ``admission_namespace``), makes pods with the labels it is given (``carry``), and adds ``TEMPLATED`` to
    its ``template_fields``, perhaps ``links.QueueLink()`` to its ``operator_extra_links``. ``execute`` of the
    operator runs when the job is admitted, on a worker that may be another one; whatever ``admission_demand``
    has changed on the operator by then is gone.

    :param priority: priority pool, e.g. ``high``; default ``[priority_spark] default_priority``. Templated.
    :param deployment_flow: ``priority``, ``observe`` or ``legacy``; default
        ``[priority_spark] deployment_flow``. Templated.
    :param unclaimed_seconds: after so long without an arbiter the task log says so.
    :param on_unclaimed: what happens then: ``wait``, ``fail`` or ``legacy``.
    :param queue_timeout: a job that has waited so long is cancelled: seconds or a ``timedelta``, 0 for no
        limit; default ``[priority_spark] queue_timeout_seconds``.
    :param notify: names of ``[priority_spark] notifiers`` that are told what becomes of the job, or
        ``{notice: names}``; notices are blocked, late, cancelled, starved, requeued.
    """

    def __init__(
        self,
        *,
        priority: str | None = None,
        deployment_flow: str | None = None,
        unclaimed_seconds: float | None = None,
        on_unclaimed: str | None = None,
        queue_timeout: Timeout = None,
        notify: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.priority = priority
        self.deployment_flow = deployment_flow
        self.unclaimed_seconds = unclaimed_seconds
        self.on_unclaimed = on_unclaimed
        self.queue_timeout = queue_timeout
        self.notify = notify
        #: What this process knows of the job, for the link.
        self.application_facts: dict[str, str] = {}

    # --- what an operator says of itself

    @abstractmethod
    def admission_demand(self, context: Context) -> Demand:
        """Return what the operator's pods will ask for.

        :raises InvalidInput: for what could never be created; the task fails at once.
        """

    @abstractmethod
    def admission_namespace(self, context: Context) -> str:
        """Return the namespace of the operator's pods."""

    @abstractmethod
    def carry(self, labels: Mapping[str, str]) -> None:
        """Put these labels on every pod the operator will make, and ``LABEL_POD_SET`` with its pod set."""

    def take_up(self, context: Context, name: str) -> bool:  # noqa: ARG002 - for subclasses
        """Go on with a pod that an attempt has left whose scheduler died; ``execute`` follows.

        :param name: of the pod.
        :return: whether that is possible; otherwise the pod is deleted, and the job waits for room again.
        """
        return False

    def admission_connection(self) -> ConnectionRef:
        """Return the way to the cluster: by default from the attributes the stock operators share."""
        return ConnectionRef(
            conn_id=getattr(self, "kubernetes_conn_id", None),
            cluster_context=getattr(self, "cluster_context", None),
            config_file=getattr(self, "config_file", None),
            in_cluster=getattr(self, "in_cluster", None),
        )

    def admitted_elsewhere(self, context: Context) -> str:  # noqa: ARG002 - for subclasses
        """Say which other queue admits the pods (Kueue …), empty when none does: such a task skips ours."""
        return ""

    # --- the way through the queue

    def execute(self, context: Context) -> Any:
        """Ask for a place in the queue; in the flow ``legacy`` go straight on."""
        with _clear_failures():
            options = read_options(self)
            elsewhere = self.admitted_elsewhere(context)
            warn_of_run_timeout(context, self.log)
            if options.flow != "legacy" and not elsewhere:
                self._queue(context, options, self.admission_demand(context))
        why = f"The pods ask for {elsewhere}" if elsewhere else "Deployment flow legacy"
        self.log.info("%s: going on without a queue", why)
        return super().execute(context)

    def resume_admitted(
        self, context: Context, event: Any = None, demand: dict[str, Any] | None = None
    ) -> Any:
        """Go on after the queue: do the operator's work, come back later, or fail with the reason.

        :param event: payload of an ``AdmissionEvent``.
        :param demand: what was asked for.
        """
        from airflow_priority_spark.operators.submission import StaleQuotaError

        with _clear_failures():
            admission = AdmissionEvent.from_payload(event)
            for line in admission.history:
                self.log.info("  %s", line)
            options = read_options(self)
            self._stop_here(admission, options)
            fresh = self.admission_demand(context)
            reason = self._obstacle(context, admission, fresh, demand)
            if reason and admission.outcome == "admitted":
                self.log.warning("Nothing was created: %s", reason)
                self._queue(context, options, fresh, reason, admission.admission)
            try:
                return super().execute(context)
            except StaleQuotaError as error:
                if admission.outcome != "admitted":
                    raise
                self.log.warning("The cluster has no room after all: %s", error)
                self._queue(context, options, fresh, f"stale quota: {error}", admission.admission)

    def _queue(
        self, context: Context, options: Options, demand: Demand, reason: str = "", admission: int = 0
    ) -> NoReturn:
        """Defer with the request; deferring is enqueueing."""
        request = AdmissionRequest(
            namespace=self.admission_namespace(context),
            priority=options.priority,
            demand=demand,
            connection=self.admission_connection(),
            flow=options.flow,
            reason=reason,
            admission=admission,
            keep_application=getattr(self, "on_kill_action", None) == OnKillAction.KEEP_POD,
            queue_timeout_seconds=self._queue_seconds(),
            notify=attached(self.notify),
        ).checked()
        self.application_facts = {"namespace": request["namespace"], "priority": options.priority}
        if any(pods.requests for pods in demand.pod_sets):
            self.log.info("Demand: %s", describe_demand(demand))
        again = f", again: {reason}" if reason else ""
        self.log.info("Waiting in the queue %s/%s%s", request["namespace"], options.priority, again)
        self.defer(
            trigger=AdmissionTrigger(request, options.unclaimed_seconds, options.on_unclaimed),
            method_name="resume_admitted",
            kwargs={"demand": demand_to_json(demand)},
        )
        raise AssertionError("defer raises")

    def _queue_seconds(self) -> int:
        return round(seconds("queue_timeout", self.queue_timeout, settings.load().queue_timeout_seconds))

    def _stop_here(self, admission: AdmissionEvent, options: Options) -> None:
        """Fail a task that was cancelled or could never start, or that waits for an arbiter in vain."""
        if admission.outcome in ("cancelled", "impossible"):
            failure = AirflowException if admission.retry else AirflowFailException
            raise failure(f"{admission.outcome}: {admission.reason}")
        if admission.outcome == "unclaimed":
            if options.on_unclaimed != "legacy":
                raise AirflowException(admission.reason)
            self.log.warning("%s Going on without a queue, as on_unclaimed asks.", admission.reason)

    def _obstacle(
        self, context: Context, admission: AdmissionEvent, fresh: Demand, demand: dict[str, Any] | None
    ) -> str:
        """Get ready for the operator's work; say why it cannot be done now, empty when it can."""
        if not admission.adopt:
            reason = outdated(fresh, admission, demand)
            if not reason:
                self._label(context, admission)
            return reason
        self._label(context, admission)
        if not self.take_up(context, admission.adopt):
            return f"pod {admission.adopt} of the lost attempt is not gone on with"
        self.log.info("Going on with pod %s of the lost attempt", admission.adopt)
        return ""

    def _label(self, context: Context, admission: AdmissionEvent) -> None:
        """Label the pods to come with the job that the grant belongs to; without an arbiter there is none."""
        if admission.outcome == "admitted":
            self.log.info(
                "Admitted after %.0f s (admission %d)", admission.waited_seconds, admission.admission
            )
        if admission.job_id and admission.instance_id:
            labels = job_labels(
                admission.instance_id, task_key(context), admission.job_id, admission.admission
            )
            self.carry(labels)


@contextmanager
def _clear_failures() -> Iterator[None]:
    """Turn our errors into Airflow's: without retries where a retry cannot help."""
    try:
        yield
    except InvalidInput as error:
        raise AirflowFailException(str(error)) from error
    except PrioritySparkError as error:
        raise AirflowException(str(error)) from error
