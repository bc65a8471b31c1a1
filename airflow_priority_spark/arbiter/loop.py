# SPDX-License-Identifier: Apache-2.0
"""The loop: lead or stand by; intake, observe, decide, apply, reconcile; sleep until something changes.

A cycle may fail at any line, for any reason the world can think of; the next one begins from the
tables and the watches and repairs what was left. So a failed cycle is logged once and tried again with
a growing pause, and only a wrong shape of Airflow or missing tables end the process.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from opentelemetry import trace
from sqlalchemy.exc import DBAPIError

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.apply import Applied, apply, decide_on
from airflow_priority_spark.arbiter.clusters import Clusters
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.deliver import deliver_due
from airflow_priority_spark.arbiter.enqueue import enqueue
from airflow_priority_spark.arbiter.following import Follower
from airflow_priority_spark.arbiter.holding import hold_and_release
from airflow_priority_spark.arbiter.housekeeping import Housekeeper
from airflow_priority_spark.arbiter.intake import BATCH, take_in
from airflow_priority_spark.arbiter.measuring import Measures
from airflow_priority_spark.arbiter.notifying import Announcer
from airflow_priority_spark.arbiter.observe import FEW, MORE, Observer
from airflow_priority_spark.arbiter.outages import Outages
from airflow_priority_spark.arbiter.picture import cluster_json
from airflow_priority_spark.arbiter.probing import Prober
from airflow_priority_spark.arbiter.reconcile import BATCH as RECONCILE_BATCH
from airflow_priority_spark.arbiter.reconcile import Reconciler
from airflow_priority_spark.arbiter.standstill import Sight, Standstill
from airflow_priority_spark.arbiter.strays import Strays
from airflow_priority_spark.errors import (
    DatabaseNotMigrated,
    IncompatibleAirflow,
    InvalidInput,
    LeadershipLost,
)
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.settings import Settings, parse_pools
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.leadership import Leadership, SessionFactory
from airflow_priority_spark.store.queue_table import NO_QUEUES, ClusterRules, read_queues
from airflow_priority_spark.store.queues import known_aliases
from airflow_priority_spark.store.site import read_site, rules
from airflow_priority_spark.store.snapshots import save_snapshot, save_summary
from airflow_priority_spark.store.trigger_ids import keep_trigger_ids_unique

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)

#: However fast a cluster changes, so many seconds lie between two cycles.
MIN_PAUSE = 0.1
MAX_BACKOFF = 15.0
#: A picture that did not change is written again after so many seconds, to show that somebody looks.
PICTURE_SECONDS = 10.0
#: ``[priority_spark] nodes`` → are the nodes all there will be; ``None`` looks for an autoscaler.
FIXED_NODES = {"auto": None, "fixed": True, "elastic": False}


Views = dict[str, ClusterView]


def _asks(view: ClusterView) -> bool:
    """Tell whether answers of the cluster, which come at any time, are part of a decision."""
    return view.dry_run or view.placeholders


def utcnow() -> datetime.datetime:
    """Return the current UTC time."""
    return datetime.datetime.now(datetime.UTC)


class ArbiterLoop:
    """One arbiter process.

    :param session_factory: makes sessions on Airflow's metadata database.
    :param holder: who we are, unique among all arbiters.
    :param clock: the current UTC time.
    """

    def __init__(
        self,
        settings: Settings,
        session_factory: SessionFactory,
        *,
        holder: str,
        clock: Callable[[], datetime.datetime] = utcnow,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.wake = threading.Event()
        self.sessions = session_factory
        self.leadership = Leadership(session_factory, holder, clock, settings.lease_seconds)
        self.clusters = Clusters(settings, self.wake.set, time.monotonic)
        with session_factory() as session:
            identity = instance_id(session)
        self.context = Context(
            settings=settings,
            clusters=self.clusters,
            instance_id=identity,
            pools=parse_pools(settings.priority_pools),
            actor=f"arbiter {holder}",
        )
        self.work_with(self.context)
        self._reconciled_at: float | None = None
        #: There is more of the same to do, whatever else changes.
        self._hurry = False
        self._pictured_at: float | None = None
        self._pictured: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        self.outages = Outages(clock)
        self.measures = Measures()
        self._queues = NO_QUEUES

    def work_with(self, context: Context) -> None:
        """Make the parts of a cycle, which forget what they remembered."""
        self.context = context
        self.standstill = Standstill()
        self.observer = Observer(context)
        self.prober = Prober(context, self.wake.set)
        self.reconciler = Reconciler(context, self.leadership)
        self.follower = Follower(context, self.leadership)
        self.strays = Strays(context, self.leadership)
        self.housekeeper = Housekeeper(context, self.leadership, self.strays)
        self.announcer = Announcer(context, self.leadership)

    def run(self, stop: threading.Event, heartbeat: Callable[[], None]) -> None:
        """Run cycles until ``stop`` is set.

        :param heartbeat: called once per cycle; tells Airflow that we live.
        :raises DatabaseNotMigrated, IncompatibleAirflow: waiting would not help.
        """
        failures = 0
        try:
            while not stop.is_set():
                self.wake.clear()
                failures = 0 if self._attempt() else failures + 1
                if not self.outages.of_database:
                    # Airflow's heartbeat survives an outage too, but says so again with every beat.
                    heartbeat()
                self._sleep(stop, failures)
        finally:
            self.close()

    def close(self) -> None:
        """End the watches and give the lease up."""
        self.prober.close()
        self.announcer.close()
        self.clusters.stop()
        try:
            self.leadership.release()
        except DBAPIError as error:
            log.warning("Could not give up the lease, it will expire: %s", error)

    def _attempt(self) -> bool:
        self._hurry = False
        try:
            if self.leadership.leads or self._lead():
                began = time.perf_counter()
                self.cycle()
                self.measures.cycle(time.perf_counter() - began)
        except (DatabaseNotMigrated, IncompatibleAirflow):
            raise
        except LeadershipLost as lost:
            log.warning("Not leading: %s", lost)
            return True
        except Exception as error:
            self.outages.failed(error, MAX_BACKOFF)
            self.measures.failed()
            return False
        self.outages.worked()
        return True

    def _sleep(self, stop: threading.Event, failures: int) -> None:
        if failures:
            stop.wait(min(MAX_BACKOFF, self.settings.poll_interval_seconds * 2 ** min(failures, 5)))
            return
        pause = self.settings.poll_interval_seconds
        if not self.leadership.leads:
            # A lease that runs out is seen so soon after: with the lease itself, that is the take-over time.
            pause = self.settings.lease_seconds / 8
        if self._hurry:
            return
        stop.wait(MIN_PAUSE)
        deadline = time.monotonic() + pause - MIN_PAUSE
        while not stop.is_set() and not self.wake.is_set() and time.monotonic() < deadline:
            self.wake.wait(min(0.2, max(0.0, deadline - time.monotonic())))

    def _lead(self) -> bool:
        if not self.leadership.acquire():
            return False
        log.info("Leading as %s, epoch %s", self.leadership.holder, self.leadership.epoch)
        with self.sessions() as session, session.begin():
            keep_trigger_ids_unique(session.connection())
            aliases = known_aliases(session)
        for alias in aliases:
            try:
                self.clusters.find(ConnectionRef.parse(alias))
            except InvalidInput as error:
                log.warning("A connection that once led to a cluster does not any more: %s", error)
        return True

    def cycle(self) -> Applied:
        """Run one cycle.

        :raises LeadershipLost: when another arbiter leads.
        """
        now = self.clock()
        self.leadership.renew_if_due()
        self.clusters.refresh()
        took_all = self._intake(now)
        due = self._due(self._reconciled_at, self.settings.reconcile_interval_seconds)
        views, applications = self.views(now), self._applications()
        sight = Sight(self.leadership.marks(), views, applications)
        if not due and self.standstill.holds(sight, now.timestamp()):
            self._hurry, applied = False, Applied()
            deliver_due(self.context, self.leadership, self._queues, now)
        else:
            # Goes nowhere unless Airflow's tracing is on.
            with tracer.start_as_current_span("priority_spark.cycle") as span:
                views, applications, applied = self._look(now, due=due)
                span.set_attributes({"priority_spark.admitted": applied.admitted, "priority_spark.due": due})
        self._hurry = self._hurry or not took_all
        self._save_pictures(views, now, at_once=self.housekeeper.due(now))
        self.housekeeper.clean(applications, now)
        return applied

    def _look(self, now: datetime.datetime, *, due: bool) -> tuple[Views, Applications, Applied]:
        """Look at everything, decide and apply.

        :param due: compare with Airflow and the clusters as well.
        :return: the pictures that were looked at, and what came of them.
        """
        marks = self.leadership.marks()
        with self.sessions() as session:
            site = read_site(session, self.settings)
            self._queues = read_queues(session, site)
        views, applications = self.views(now), self._applications()
        self.follower.applications(applications, now)
        more = self._reconcile(views, now) if due else False
        # Before the decision, not after it: what has ended makes room for the next in the same cycle.
        self.reconciler.release(views, self._queues, applications, now)
        with self.sessions() as session:
            picture = self.observer.picture(session, self._queues, views, applications, rules(site), now)
            picture, decisions = decide_on(self.observer, session, picture, self.prober.hopeful, now)
        decisions = self.prober.probe(picture.snapshot, decisions, now.timestamp())
        self.follower.forget(picture.adopted)
        self.measures.attempts(picture, decisions)
        applied = apply(self.context, self.leadership, picture, decisions, self.prober.strict, now)
        self.standstill.forget()
        if not applied.wrote:
            deliver_due(self.context, self.leadership, self._queues, now)
            if not self.observer.rotating and not any(_asks(view) for view in views.values()):
                sight = Sight(marks, views, applications)
                self.standstill.remember(sight, self._queues, rules(site), decisions, now.timestamp())
        if due:
            self.announcer.announce(views, now)
            self.strays.remove(applications)
            self._reconciled_at = time.monotonic()
        if applied.lost or more:
            self._reconciled_at = None
        self.observer.depth = MORE if applied.admitted else FEW
        self._hurry = applied.admitted >= site.batch_size or more
        return views, applications, applied

    def _reconcile(self, views: Views, now: datetime.datetime) -> bool:
        """Compare with Airflow and the clusters; true when there is more to do at once."""
        settled = self.reconciler.task_instances(now)
        held = hold_and_release(self.context, self.leadership, now)
        self.observer.paused_dags = held.paused
        self.reconciler.take_back(now)
        self.reconciler.cancel_overdue(now)
        self.reconciler.not_started(now)
        self.follower.demands(views, now)
        return held.more or settled >= RECONCILE_BATCH

    def _intake(self, now: datetime.datetime) -> bool:
        """Take waiting tasks in; true when none were left for the next cycle."""
        with self.sessions() as session:
            ready = take_in(self.context, session)
        if ready:
            with self.leadership.transaction() as session:
                enqueue(self.context, session, ready, now)
        return len(ready) < BATCH

    def _applications(self) -> Applications:
        return Applications(
            {
                cluster_id: observer.applications(instance_id=self.context.instance_id)
                for cluster_id, observer in self.clusters.observers.items()
            }
        )

    def views(self, now: datetime.datetime) -> Views:
        """Return the picture of every cluster that is watched."""
        namespaces: dict[str, set[str]] = {}
        for queue in self._queues.views:
            namespaces.setdefault(queue.key.cluster_id, set()).add(queue.key.namespace)
        views = {}
        for cluster_id, observer in self.clusters.observers.items():
            own = self._queues.clusters.get(cluster_id, ClusterRules(cluster_id))
            observer.follow(namespaces.get(cluster_id, ()))
            view = observer.view(
                now.timestamp(),
                mode=own.mode or self.settings.capacity_mode,  # type: ignore[arg-type] # checked by settings.load
                fixed_nodes=FIXED_NODES[own.nodes or self.settings.nodes],
            )
            if own.limit is not None or own.node_maxima is not None:
                view = replace(view, limit=own.limit, node_maxima=own.node_maxima)
            views[cluster_id] = view
        return views

    @staticmethod
    def _due(last: float | None, interval: float) -> bool:
        return last is None or time.monotonic() - last >= interval

    def _save_pictures(self, views: Views, now: datetime.datetime, *, at_once: bool) -> None:
        pictures = {
            cluster_id: cluster_json(view)
            for cluster_id, view in views.items()
            # A cluster without a queue is of no interest yet, and has no row to refer to.
            if cluster_id in self._queues.clusters
        }
        summary: dict[str, Any] = {
            "unresolved": {alias: str(error) for alias, error in self.clusters.failures.items()}
        }
        if self.outages.last:
            summary["outage"] = self.outages.last
        due = at_once or self._due(self._pictured_at, PICTURE_SECONDS)
        if (pictures, summary) == self._pictured and not due:
            return
        self.measures.watches(self.clusters, {key: own.name for key, own in self._queues.clusters.items()})
        with self.leadership.transaction() as session:
            for cluster_id, picture in pictures.items():
                save_snapshot(session, cluster_id, picture, now)
            save_summary(session, summary, now)
            self.measures.write(session)
        self.measures.written(self._queues.keys)
        self._pictured, self._pictured_at = (pictures, summary), time.monotonic()
