# SPDX-License-Identifier: Apache-2.0
"""Capacity modes that ask the cluster itself: dry run, placeholders.

``decide`` knows only what a picture shows. In these modes a job that would be admitted is a *candidate*
first::

    decide, hopefully            → candidates: everything fits, and nothing is known against them
    ask, outside any transaction → dry-run answers; placeholders ordered
    decide, strictly             → only who is cleared is admitted; the others keep their room and say
                                   what they wait for, or, refused, give it back

Both decisions are the pure one, on a picture that says which jobs are withheld and why. Without such a
mode there is one decision and nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from airflow_priority_spark.arbiter.asking import AdmissionChains
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.placeholding import Placeholders
from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Blocked, ClusterView, Decisions, QueuedJob, Snapshot


class Prober:
    """Makes decisions, asking the clusters where a mode wants it.

    :param wake: called when an answer has come after the cycle that asked.
    """

    def __init__(self, context: Context, wake: Callable[[], None]) -> None:
        self.chains = AdmissionChains(context, wake)
        self.placeholders = Placeholders(context, wake)

    def close(self) -> None:
        """Ask nothing more."""
        self.chains.close()
        self.placeholders.close()

    def hopeful(self, snapshot: Snapshot, now: float) -> Decisions:
        """Decide as if whoever was not asked about would be cleared."""
        return decide(self._overlay(snapshot, self._known_against, now), now)

    def strict(self, snapshot: Snapshot, now: float) -> Decisions:
        """Decide, admitting only who is cleared; a pure question of what is known already."""
        return decide(self._overlay(snapshot, self._in_the_way, now), now)

    def probe(self, snapshot: Snapshot, hopeful: Decisions, now: float) -> Decisions:
        """Ask about the candidates of a hopeful decision, and return the strict one."""
        probed = {view.cluster_id: view for view in snapshot.clusters if view.dry_run or view.placeholders}
        candidates = list(_candidates(snapshot, hopeful, probed))
        self.chains.ask([job for job in candidates if probed[job.queue.cluster_id].dry_run], now)
        decisions = self.strict(snapshot, now) if probed else hopeful
        holding = [
            job
            for job in candidates
            if probed[job.queue.cluster_id].placeholders
            and (not probed[job.queue.cluster_id].dry_run or self.chains.verdict(job, now) is None)
        ]
        admitted = {admission.job_id for admission in decisions.admissions}
        self.placeholders.keep(snapshot, holding, admitted, now)
        return decisions

    def _known_against(self, view: ClusterView, job: QueuedJob, now: float) -> tuple[Blocked | None, bool]:
        return (self.chains.refusal(job, now) if view.dry_run else None), False

    def _in_the_way(self, view: ClusterView, job: QueuedJob, now: float) -> tuple[Blocked | None, bool]:
        """Return what a job waits for, and whether its room is kept meanwhile."""
        if view.dry_run and (refused := self.chains.refusal(job, now)):
            return refused, False
        waits = self.chains.verdict(job, now) if view.dry_run else None
        if waits is None and view.placeholders:
            waits = self.placeholders.verdict(view, job)
        return waits, True

    @staticmethod
    def _overlay(
        snapshot: Snapshot,
        judge: Callable[[ClusterView, QueuedJob, float], tuple[Blocked | None, bool]],
        now: float,
    ) -> Snapshot:
        probed = {view.cluster_id: view for view in snapshot.clusters if view.dry_run or view.placeholders}
        if not probed:
            return snapshot
        withheld: dict[str, dict[str, Blocked]] = {cluster_id: {} for cluster_id in probed}
        reserved: dict[str, set[str]] = {cluster_id: set() for cluster_id in probed}
        for job in snapshot.jobs:
            view = probed.get(job.queue.cluster_id)
            if view is None or job.unchecked or job.ineligible is not None:
                continue
            why, keeps = judge(view, job, now)
            if why is not None:
                withheld[view.cluster_id][job.job_id] = why
                if keeps:
                    reserved[view.cluster_id].add(job.job_id)
        return replace(
            snapshot,
            clusters=tuple(
                replace(
                    view,
                    withheld=withheld[view.cluster_id],
                    reserved=frozenset(reserved[view.cluster_id]),
                )
                if view.cluster_id in probed
                else view
                for view in snapshot.clusters
            ),
        )


def _candidates(
    snapshot: Snapshot, decisions: Decisions, probed: Mapping[str, ClusterView]
) -> Iterable[QueuedJob]:
    jobs = {job.job_id: job for job in snapshot.jobs if not job.unchecked}
    for admission in decisions.admissions:
        if admission.queue.cluster_id in probed and admission.job_id in jobs:
            yield jobs[admission.job_id]
