# SPDX-License-Identifier: Apache-2.0
"""Tells Airflow notifiers what became of jobs.

A waiting task runs nowhere, so no callback of it could tell anybody. The arbiter does: an event that
somebody may want to know of is marked in the transaction that writes it, the leader takes the mark away in
one of its own and then calls the notifiers in threads, so that a chat that does not answer holds up no cycle.
A leader that dies in between has told nobody: a notification is sent at most once, never twice.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

from airflow.configuration import conf

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.notices import NOTICES
from airflow_priority_spark.store import jobs, notices
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.leadership import Leadership

log = logging.getLogger(__name__)

_OPTION: Final = "[priority_spark] notifiers"
_THREADS: Final = 4
#: Events looked at in one cycle; a storm is told in the next ones.
BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Configured:
    """A notifier of the site.

    :param path: of its class.
    :param on: notices that it is told of for every job.
    """

    path: str
    arguments: Mapping[str, Any]
    on: frozenset[str]

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Make the notifier and call it; what it raises is logged, here or by itself."""
        module, _, name = self.path.rpartition(".")
        getattr(import_module(module), name)(**self.arguments)(dict(facts))


def read_notifiers(settings: Settings) -> dict[str, Configured]:
    """Read the site's notifiers by name.

    :raises InvalidInput: naming the part that is wrong, never an argument: it may be secret.
    """
    try:
        found = json.loads(settings.notifiers or "{}")
    except json.JSONDecodeError as error:
        raise InvalidInput(_OPTION, f"{error.msg} at character {error.pos}", "a JSON object") from None
    if not isinstance(found, dict):
        raise InvalidInput(_OPTION, type(found).__name__, "a JSON object: name to notifier")
    return {name: _one(name, value) for name, value in found.items()}


def _one(name: str, value: Any) -> Configured:
    if not isinstance(value, dict) or not isinstance(value.get("class"), str):
        raise InvalidInput(f"{_OPTION}: {name}", "no class", "an object with the path of a notifier's class")
    unknown = sorted(value.keys() - {"class", "arguments", "on"})
    if unknown:
        raise InvalidInput(f"{_OPTION}: {name}", unknown[0], "class, arguments, on")
    on, arguments = value.get("on", []), value.get("arguments", {})
    wrong = [word for word in on if word not in NOTICES] if isinstance(on, list) else [on]
    if wrong:
        raise InvalidInput(f"{_OPTION}: {name}.on", wrong[0], ", ".join(NOTICES))
    if not isinstance(arguments, dict):
        raise InvalidInput(f"{_OPTION}: {name}.arguments", type(arguments).__name__, "an object")
    return Configured(value["class"], arguments, frozenset(on))


class Announcer:
    """Finds what is to be told, and tells it.

    :param submit: runs a call beside the cycle; in a few threads by default.
    """

    def __init__(
        self,
        context: Context,
        leadership: Leadership,
        submit: Callable[[Callable[[], None]], Any] | None = None,
    ) -> None:
        self._context, self._leadership = context, leadership
        self._notifiers = read_notifiers(context.settings)
        self._threads = None if submit else ThreadPoolExecutor(_THREADS, "priority-spark-notify")
        self._submit = submit or self._threads.submit  # type: ignore[union-attr] # one of the two is there
        self._starving: dict[str, datetime.datetime] = {}

    def announce(self, views: Mapping[str, ClusterView], now: datetime.datetime) -> int:
        """Tell what is new; return how many notices were taken."""
        self._blocked(now)
        self._starved(views, now)
        with self._leadership.sessions() as session:
            if not notices.waiting(session, 1):
                return 0
        with self._leadership.transaction() as session:
            taken = notices.take(session, BATCH)
        for notice in taken:
            self._tell(notice)
        return len(taken)

    def close(self) -> None:
        """Tell nothing more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _blocked(self, now: datetime.datetime) -> None:
        before = now - datetime.timedelta(seconds=self._context.settings.notify_blocked_seconds)
        with self._leadership.sessions() as session:
            if not notices.newly_blocked(session, before, 1):
                return
        with self._leadership.transaction() as session:
            for job in notices.newly_blocked(session, before, BATCH):
                sentence = (job.verdict or {}).get("sentence", job.blocking_resource)
                waited = (now - job.blocked_since).total_seconds() if job.blocked_since else 0
                text = f"blocked at the head of its pool for {waited:.0f} s by {sentence}"
                jobs.note(session, job, text, self._context.actor, now, cause=Cause.BLOCKED)

    def _starved(self, views: Mapping[str, ClusterView], now: datetime.datetime) -> None:
        """Find running jobs whose executors have had no node for too long."""
        limit = self._context.settings.executor_readiness_timeout_seconds
        lacking: dict[str, int] = {}
        for view in views.values():
            for pod in view.pods if view.fresh else ():
                if pod.job_id and pod.pod_set == "executor" and pod.node is None and not pod.terminating:
                    lacking[pod.job_id] = lacking.get(pod.job_id, 0) + (not pod.placeholder)
        since = {job_id: self._starving.get(job_id, now) for job_id, count in lacking.items() if count}
        self._starving = since
        late = [job_id for job_id, at in since.items() if limit and (now - at).total_seconds() >= limit]
        with self._leadership.sessions() as session:
            untold = notices.running_and_untold(session, late, Cause.STARVED) if late else ()
        if untold:
            with self._leadership.transaction() as session:
                for job in notices.running_and_untold(session, late, Cause.STARVED):
                    text = f"starved: {lacking[job.id]} of its executors have found no node for {limit:g} s"
                    jobs.note(session, job, text, self._context.actor, now, cause=Cause.STARVED)

    def _tell(self, notice: notices.Notification) -> None:
        wanted = {name for name, notifier in self._notifiers.items() if notice.notice in notifier.on}
        for name in sorted(wanted | set(notice.names)):
            notifier = self._notifiers.get(name)
            if notifier is None:
                log.warning("Job %s asks for notifier %s, which %s has not", notice.job_id, name, _OPTION)
                continue
            self._submit(partial(_call, name, notifier, notice))


def _call(name: str, notifier: Configured, notice: notices.Notification) -> None:
    try:
        notifier.tell(facts(notice))
    except Exception as error:
        # Whatever a notifier of the site does wrong; its arguments, perhaps in the text, are not repeated.
        log.warning("Notifier %s failed for job %s: %s", name, notice.job_id, type(error).__name__)


def facts(notice: notices.Notification) -> dict[str, Any]:
    """Return what a notifier's templates may use."""
    task = f"{notice.dag_id}.{notice.task_id}" + (f"[{notice.map_index}]" if notice.map_index >= 0 else "")
    return {
        "notice": notice.notice,
        "sentence": f"Spark job {task} ({notice.namespace}/{notice.pool}): {notice.notice}: {notice.reason}",
        "reason": notice.reason,
        "link": _link(notice),
        "at": notice.at.isoformat(),
        "job_id": notice.job_id,
        "dag_id": notice.dag_id,
        "run_id": notice.run_id,
        "task_id": notice.task_id,
        "map_index": notice.map_index,
        "namespace": notice.namespace,
        "pool": notice.pool,
        "team": notice.team,
    }


def _link(notice: notices.Notification) -> str:
    base = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
    dag_id, run_id, task_id = (
        quote(part, safe="") for part in (notice.dag_id, notice.run_id, notice.task_id)
    )
    mapped = f"/mapped/{notice.map_index}" if notice.map_index >= 0 else ""
    return f"{base}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"
