# SPDX-License-Identifier: Apache-2.0
"""What the admission chains of the clusters said about pods, and asking them again in time.

Jobs of one make share their answers. An answer holds for a few seconds; a refusal is shown until a newer
answer comes, so that a verdict does not flicker while the chain is asked again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from airflow_priority_spark.arbiter.background import MOMENT_SECONDS, Background
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.learning import read_refusal
from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.dry_run import Answer, ask
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.scheduling.model import Blocked, PodSet, QueuedJob, QueueKey
from airflow_priority_spark.scheduling.order import resource_of

log = logging.getLogger(__name__)

#: An answer is acted upon for so many seconds.
FRESH_SECONDS: Final = 5.0
#: Answers about so many pods are kept.
_MOST: Final = 10_000

_Question = tuple[QueueKey, PodSet]


class _Heard(NamedTuple):
    at: float
    answer: Answer


class AdmissionChains:
    """The answers of all clusters.

    :param wake: called when an answer has come after the cycle that asked.
    """

    def __init__(self, context: Context, wake: Callable[[], None]) -> None:
        self._context = context
        self._heard: dict[_Question, _Heard] = {}
        self._silent: dict[_Question, str] = {}
        self._background: Background[_Question, Answer] = Background(wake, "dry-run")
        self._said: set[str] = set()

    def ask(self, jobs: Iterable[QueuedJob], now: float) -> None:
        """Ask about the pods of jobs of which nothing fresh is known, and wait a moment for the answers."""
        for job in jobs:
            connection = self._context.clusters.connections.get(job.queue.cluster_id)
            if connection is None:
                continue
            for question in _questions(job):
                if not self._is_fresh(question, now):
                    self._begin(connection, question)
        for question, found in self._background.ended(MOMENT_SECONDS).items():
            self._hear(question, found, now)

    def _begin(self, connection: ClusterConnection, question: _Question) -> None:
        queue, pods = question
        self._background.begin(question, lambda: ask(connection, queue.namespace, pods))

    def _hear(self, question: _Question, found: Answer | Exception, now: float) -> None:
        if isinstance(found, Answer):
            self._silent.pop(question, None)
            if len(self._heard) >= _MOST:
                self._heard.clear()
            self._heard[question] = _Heard(now, found)
            self._say(found.unknown)
        elif isinstance(found, PrioritySparkError):
            self._silent[question] = str(found)
        else:
            raise found

    def _say(self, unknown: str) -> None:
        if unknown and unknown not in self._said:
            self._said.add(unknown)
            log.warning("A dry run says nothing, and jobs are admitted without its answer: %s", unknown)

    def _is_fresh(self, question: _Question, now: float) -> bool:
        heard = self._heard.get(question)
        return heard is not None and now - heard.at < FRESH_SECONDS

    def refusal(self, job: QueuedJob, now: float) -> Blocked | None:
        """Return what the chain has lately said against a job, if anything."""
        for question in _questions(job):
            if self._is_fresh(question, now) and self._heard[question].answer.refused:
                return refused(question[1], self._heard[question].answer.refused)
        return None

    def verdict(self, job: QueuedJob, now: float) -> Blocked | None:
        """Return why a job may not start yet, ``None`` when the chain would let its pods in."""
        for question in _questions(job):
            heard = self._heard.get(question)
            if heard is not None and heard.answer.refused:
                return refused(question[1], heard.answer.refused)
            if not self._is_fresh(question, now):
                silence = self._silent.get(question, "it has not answered yet")
                return Blocked(
                    "admission", 0, 0, "admission chain", f"dry run of {_one(question[1])}: {silence}"
                )
        return None

    def close(self) -> None:
        """Ask nothing more."""
        self._background.close()


def _questions(job: QueuedJob) -> list[_Question]:
    """Return what to ask about a job: one pod of each of its sets; their number changes nothing."""
    return [(job.queue, replace(pods, count=1)) for pods in job.demand.pod_sets if pods.count > 0]


def refused(pods: PodSet, sentence: str) -> Blocked:
    """Return the verdict for a refusal, with numbers where it is a quota's."""
    refusal = read_refusal(sentence)
    if refusal is not None:
        for key, needed in refusal.requested.items():
            free = refusal.limited[key] - refusal.used[key]
            if needed > free:
                detail = f"dry run of {_one(pods)}"
                return Blocked(resource_of(key), needed, free, f"quota {refusal.quota}", detail)
    return Blocked("admission", 0, 0, "admission chain", f"{_one(pods)} would be refused: {sentence}")


def _one(pods: PodSet) -> str:
    return f"{'an' if pods.name[:1] in 'aeiou' else 'a'} {pods.name} pod"
