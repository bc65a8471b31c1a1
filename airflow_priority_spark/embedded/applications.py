# SPDX-License-Identifier: Apache-2.0
"""Plays the Kubeflow Spark operator: turns SparkApplications into driver pods and reports their states.

The states, the retries and the messages are the operator's
(``internal/controller/sparkapplication/controller.go``, v2.5)::

    "" ─► SUBMITTED ─► RUNNING ─► SUCCEEDING ─► COMPLETED
     │        └───────────┴─────► FAILING ────► FAILED
     └──► SUBMISSION_FAILED ────────────────────► FAILED
    with a restartPolicy: SUCCEEDING, FAILING ─► PENDING_RERUN ─► SUBMITTED; SUBMISSION_FAILED ─► SUBMITTED
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.faults import FaultBoard
from airflow_priority_spark.embedded.kinds import PODS, SERVICES, SPARK_APPLICATIONS
from airflow_priority_spark.embedded.objects import Object, current_time, labels_of, moment, timestamp
from airflow_priority_spark.embedded.spark_pods import (
    APPLICATION,
    ROLE,
    SELECTOR,
    SUBMISSION,
    driver_name,
    driver_pod,
    driver_service,
    ui_service,
)
from airflow_priority_spark.embedded.spark_requests import InvalidMemory

COMPONENT = "spark-application-controller"
DEFAULT_RETRY_SECONDS = 5
Status = dict[str, Any]
Key = tuple[str, str]

_STATE_OF_PHASE = {
    "Pending": "SUBMITTED",
    "Running": "RUNNING",
    "Succeeded": "SUCCEEDING",
    "Failed": "FAILING",
}
_EXECUTOR_STATE = {"Pending": "PENDING", "Running": "RUNNING", "Succeeded": "COMPLETED", "Failed": "FAILED"}
_ENDED = ("COMPLETED", "FAILED")
_EVENTS = {
    "SUBMITTED": (
        "Normal",
        "SparkApplicationSubmitted",
        "SparkApplication {name} was submitted successfully",
    ),
    "SUBMISSION_FAILED": (
        "Warning",
        "SparkApplicationSubmissionFailed",
        "failed to submit SparkApplication {name}: {error}",
    ),
    "RUNNING": ("Normal", "SparkDriverRunning", "Driver {driver} is running"),
    "COMPLETED": ("Normal", "SparkApplicationCompleted", "SparkApplication {name} completed"),
    "FAILED": ("Warning", "SparkApplicationFailed", "SparkApplication {name} failed: {error}"),
    "PENDING_RERUN": ("Warning", "SparkApplicationPendingRerun", "SparkApplication {name} is pending rerun"),
}


class ApplicationController:
    """Reconciles one application at a time; sleeps until one of them or their pods changes."""

    def __init__(self, client: ClusterClient, faults: FaultBoard | None = None) -> None:
        self._client = client
        self._faults = faults or FaultBoard()
        self._due: asyncio.Queue[tuple[Key, float]] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._pods: dict[Key, dict[str, Object]] = {}
        client.listen(SPARK_APPLICATIONS, lambda _, app, __: self._enqueue(_key(app)))
        client.listen(PODS, self._on_pod)

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            key, since = await self._due.get()
            await self._lag(since)
            self._queued.discard(key)
            app = await self._client.get(SPARK_APPLICATIONS, *key)
            if app is None:
                self._pods.pop(key, None)
            elif "deletionTimestamp" not in app["metadata"]:
                await self._reconcile(app)

    async def _lag(self, since: float) -> None:
        """Let work lie as long as an overloaded operator does."""
        clock = asyncio.get_running_loop().time
        while (lag := self._faults.find("operator-lag")) and clock() - since < lag.by:
            await self._faults.change(since + lag.by - clock())

    def _enqueue(self, key: Key, after: float = 0) -> None:
        if after > 0:
            asyncio.get_running_loop().call_later(after, self._enqueue, key)
        elif key not in self._queued:
            self._queued.add(key)
            self._due.put_nowait((key, asyncio.get_running_loop().time()))

    def _on_pod(self, change: str, pod: Object, _: Object | None) -> None:
        name = labels_of(pod).get(APPLICATION)
        if name is None:
            return
        key = pod["metadata"]["namespace"], name
        pods = self._pods.setdefault(key, {})
        if change == "DELETED":
            pods.pop(pod["metadata"]["name"], None)
        else:
            pods[pod["metadata"]["name"]] = pod
        self._enqueue(key)

    async def _reconcile(self, app: Object) -> None:
        status: Status = dict(app.get("status") or {})
        steps: dict[str, Callable[[Object, Status], Awaitable[Status]]] = {
            "": self._submit,
            "SUSPENDED": self._submit,
            "SUBMITTED": self._follow,
            "RUNNING": self._follow,
            "SUBMISSION_FAILED": self._after_refusal,
            "SUCCEEDING": self._after_end,
            "FAILING": self._after_end,
            "PENDING_RERUN": self._rerun,
            "COMPLETED": self._rest,
            "FAILED": self._rest,
        }
        state = _state(status)
        if app["spec"].get("suspend") and state in ("", "SUSPENDED"):
            status |= {"driverInfo": {}, "applicationState": {"state": "SUSPENDED"}}
            if status != app.get("status"):
                await self._client.set_status(SPARK_APPLICATIONS, app, status)
            return
        after = await steps[state](app, status)
        if after == app.get("status"):
            return
        await self._client.set_status(SPARK_APPLICATIONS, app, after)
        if _state(after) != state and _state(after) in _EVENTS:
            await self._report(app, after)

    async def _report(self, app: Object, status: Status) -> None:
        severity, reason, text = _EVENTS[_state(status)]
        error = status["applicationState"].get("errorMessage", "")
        driver = status.get("driverInfo", {}).get("podName", "")
        message = text.format(name=app["metadata"]["name"], error=error, driver=driver)
        await self._client.record_event(app, severity, reason, message, COMPONENT)

    async def _submit(self, app: Object, status: Status) -> Status:
        submission = str(uuid.uuid4())
        status |= {
            "submissionID": submission,
            "driverInfo": {"podName": driver_name(app)},
            "lastSubmissionAttemptTime": timestamp(),
            "submissionAttempts": status.get("submissionAttempts", 0) + 1,
            "terminationTime": None,
        }
        try:
            await self._create_driver(app, submission)
        except (ApiError, InvalidMemory) as error:
            message = (
                f"failed to submit spark application: failed to run spark-submit: {_spark_words(error, app)}"
            )
            return _in_state(status, "SUBMISSION_FAILED", message)
        status["executionAttempts"] = status.get("executionAttempts", 0) + 1
        return _in_state(status, "SUBMITTED")

    async def _create_driver(self, app: Object, submission: str) -> None:
        namespace = app["metadata"]["namespace"]
        driver = await self._client.create(PODS, namespace, driver_pod(app, submission))
        for service in (driver_service(driver), ui_service(app)):
            try:
                await self._client.create(SERVICES, namespace, service)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    await self._client.delete(PODS, driver)
                    raise

    async def _follow(self, app: Object, status: Status) -> Status:
        """Take the application's state from its driver pod, and the executors' from theirs."""
        driver = self._driver(app, status)
        if driver is None:
            status["terminationTime"] = timestamp()
            return _in_state(status, "FAILING", "driver pod not found")
        status["sparkApplicationId"] = labels_of(driver).get(SELECTOR, "")
        state = _STATE_OF_PHASE.get(driver["status"].get("phase", ""), "UNKNOWN")
        message = ""
        if state in ("SUCCEEDING", "FAILING"):
            status["terminationTime"] = status.get("terminationTime") or timestamp()
            message = _driver_failure(driver)
        status["executorState"] = self._executor_states(app, status, state)
        return _in_state(status, state, message)

    def _driver(self, app: Object, status: Status) -> Object | None:
        pods = self._pods.get(_key(app), {})
        return pods.get(status.get("driverInfo", {}).get("podName", ""))

    def _executor_states(self, app: Object, status: Status, state: str) -> dict[str, str]:
        states = dict(status.get("executorState") or {})
        found = {
            name: _EXECUTOR_STATE.get(pod["status"].get("phase", ""), "UNKNOWN")
            for name, pod in self._pods.get(_key(app), {}).items()
            if labels_of(pod).get(ROLE) == "executor"
            and labels_of(pod).get(SUBMISSION) == status.get("submissionID")
        }
        missing = "UNKNOWN" if state == "RUNNING" else "COMPLETED" if state == "COMPLETED" else "FAILED"
        for name, before in states.items():
            if name not in found and before not in _ENDED:
                states[name] = missing
        return {**states, **found}

    async def _after_refusal(self, app: Object, status: Status) -> Status:
        if not _should_retry(app, status):
            status["terminationTime"] = timestamp()
            return _in_state(status, "FAILED", status["applicationState"].get("errorMessage", ""))
        rest = _seconds_to_retry(app, status, "onSubmissionFailureRetryInterval")
        if rest > 0:
            self._enqueue(_key(app), rest)
            return status
        return await self._submit(app, status)

    async def _after_end(self, app: Object, status: Status) -> Status:
        state = _state(status)
        if not _should_retry(app, status):
            ended = "COMPLETED" if state == "SUCCEEDING" else "FAILED"
            status["executorState"] = self._executor_states(app, status, ended)
            return _in_state(status, ended, status["applicationState"].get("errorMessage", ""))
        rest = _seconds_to_retry(app, status, "onFailureRetryInterval") if state == "FAILING" else 0
        if rest > 0:
            self._enqueue(_key(app), rest)
            return status
        await self._delete_driver(app, status)
        kept = {name: status.get(name) for name in ("submissionAttempts", "executionAttempts", "driverInfo")}
        return _in_state(kept, "PENDING_RERUN")

    async def _rerun(self, app: Object, status: Status) -> Status:
        if self._driver(app, status) is not None:
            return status
        return await self._submit(app, status)

    async def _rest(self, app: Object, status: Status) -> Status:
        """Keep the executors' states true, and delete the application when its time to live is over."""
        status["executorState"] = self._executor_states(app, status, _state(status))
        ttl = app["spec"].get("timeToLiveSeconds")
        if ttl and status.get("terminationTime"):
            left = moment(status["terminationTime"]) + timedelta(seconds=ttl) - current_time()
            if left <= timedelta(0):
                await self._client.delete(SPARK_APPLICATIONS, app)
            else:
                self._enqueue(_key(app), left.total_seconds())
        return status

    async def _delete_driver(self, app: Object, status: Status) -> None:
        driver = self._driver(app, status)
        if driver is not None:
            await self._client.delete(PODS, driver)


def _key(app: Object) -> Key:
    return app["metadata"]["namespace"], app["metadata"]["name"]


def _state(status: Mapping[str, Any]) -> str:
    return (status.get("applicationState") or {}).get("state", "")


def _in_state(status: Status, state: str, message: str = "") -> Status:
    return {**status, "applicationState": {"state": state, **({"errorMessage": message} if message else {})}}


def _driver_failure(driver: Object) -> str:
    for container in driver["status"].get("containerStatuses", ()):
        ended = container["state"].get("terminated")
        if ended and ended["exitCode"]:
            return f"driver container failed with ExitCode: {ended['exitCode']}, Reason: {ended['reason']}"
    return "" if driver["status"].get("phase") == "Succeeded" else "driver container status missing"


def _should_retry(app: Object, status: Status) -> bool:
    """Answer as the operator's ``ShouldRetry``."""
    policy = app["spec"].get("restartPolicy") or {}
    if policy.get("type") == "Always":
        return True
    if policy.get("type") != "OnFailure":
        return False
    if _state(status) == "FAILING":
        return status.get("executionAttempts", 0) <= policy.get("onFailureRetries", -1)
    if _state(status) == "SUBMISSION_FAILED":
        return status.get("submissionAttempts", 0) <= policy.get("onSubmissionFailureRetries", -1)
    return False


def _seconds_to_retry(app: Object, status: Status, field: str) -> float:
    """Return the rest of the operator's linear back-off: attempts times the interval, from the last."""
    interval = (app["spec"].get("restartPolicy") or {}).get(field, DEFAULT_RETRY_SECONDS)
    due = moment(status["lastSubmissionAttemptTime"]) + timedelta(
        seconds=interval * status["submissionAttempts"]
    )
    return (due - current_time()).total_seconds()


def _spark_words(error: Exception, app: Object) -> str:
    """Say a refusal as ``spark-submit`` prints it."""
    if not isinstance(error, ApiError):
        return f'Exception in thread "main" java.lang.NumberFormatException: {error}'
    where = f"https://kubernetes.default.svc/api/v1/namespaces/{app['metadata']['namespace']}/pods"
    return (
        'Exception in thread "main" io.fabric8.kubernetes.client.KubernetesClientException: '
        f"Failure executing: POST at: {where}. Message: {error.message}. "
        f"Received status: Status(apiVersion=v1, code={error.code}, kind=Status, "
        f"message={error.message}, reason={error.reason}, status=Failure)."
    )
