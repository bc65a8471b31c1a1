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

from airflow_priority_spark.arbiter.abandoning import abandon
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
from airflow_priority_spark.arbiter.observe import Observer, Picture
from airflow_priority_spark.arbiter.outages import Outages
from airflow_priority_spark.arbiter.picture import Pictures
from airflow_priority_spark.arbiter.probing import Prober
from airflow_priority_spark.arbiter.reconcile import BATCH as RECONCILE_BATCH
from airflow_priority_spark.arbiter.reconcile import Reconciler
from airflow_priority_spark.arbiter.resting import Rest
from airflow_priority_spark.arbiter.sight import Views, applications_of, views_of
from airflow_priority_spark.arbiter.standstill import Sight, Standstill
from airflow_priority_spark.arbiter.strays import Strays
from airflow_priority_spark.errors import (
    DatabaseNotMigrated,
    IncompatibleAirflow,
    InvalidInput,
    LeadershipLost,
)
from airflow_priority_spark.scheduling.model import ClusterView, Decisions, Rules
from airflow_priority_spark.settings import Settings, parse_pools
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.store.grants import read_grants
from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.leadership import Leadership, SessionFactory
from airflow_priority_spark.store.queue_table import NO_QUEUES
from airflow_priority_spark.store.queues import known_aliases
from airflow_priority_spark.store.session import OneConnection
from airflow_priority_spark.store.site import read_site, rules
from airflow_priority_spark.store.trigger_ids import keep_trigger_ids_unique

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)

#: However fast a cluster changes, so many seconds lie between two cycles.
MIN_PAUSE = 0.1
MAX_BACKOFF = 15.0
#: Longest pause while the task of an application that has ended is about to end, too.
ENDING_SECONDS = 0.5


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
        self.sessions = OneConnection(session_factory)
        self.leadership = Leadership(self.sessions, holder, clock, settings.lease_seconds)
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
        self._led = False
        #: There is more of the same to do, whatever else changes.
        self._hurry = False
        self.outages = Outages(clock)
        self.measures = Measures()
        self.pictures = Pictures(self.leadership, self.measures)
        self._queues = NO_QUEUES

    def work_with(self, context: Context) -> None:
        """Make the parts of a cycle, which forget what they remembered."""
        self.context = context
        self.standstill, self.rest = Standstill(), Rest()
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
            elif self._led:
                # A fault took our lease from us before we could see who has it now.
                self._led = False
                log.warning("Not leading: another arbiter took over from %s", self.leadership.holder)
        except (DatabaseNotMigrated, IncompatibleAirflow):
            raise
        except LeadershipLost as lost:
            self._led = False
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
        if self.reconciler.awaits_ends:
            pause = min(pause, ENDING_SECONDS)
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
        self._led = True
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
        """Run one cycle: take in, look whether anything has changed, and if so decide and apply.

        :raises LeadershipLost: when another arbiter leads.
        """
        with self.sessions.kept():
            return self._cycle()

    def _cycle(self) -> Applied:
        now = self.clock()
        self.leadership.renew_if_due()
        self.clusters.refresh()
        took_all, revision = self._intake(now)
        self.reconciler.ended_tasks(now)
        views, applications = self._views(now), applications_of(self.context)
        sight = Sight(self.leadership.marks(revision), views, applications)
        due = self._due(self._reconciled_at, self.settings.reconcile_interval_seconds)
        if not due and self.standstill.holds(sight, now.timestamp()):
            deliver_due(self.context, self.leadership, self._queues, now)
            applied, more = Applied(), False
        else:
            # Goes nowhere unless Airflow's tracing is on.
            with tracer.start_as_current_span("priority_spark.cycle") as span:
                views, applied, more = self._look(sight, now, due=due)
                span.set_attributes({"priority_spark.admitted": applied.admitted, "priority_spark.due": due})
        self._hurry = more or not took_all
        self.measures.watches(self.clusters, {key: own.name for key, own in self._queues.clusters.items()})
        counted = self.housekeeper.due(now)
        self.pictures.save(views, self._queues, self._summary(), now, hurry=self._hurry, at_once=counted)
        self.housekeeper.clean(applications, now)
        return applied

    def _look(self, sight: Sight, now: datetime.datetime, *, due: bool) -> tuple[Views, Applied, bool]:
        """Read everything, follow what has happened, decide and apply.

        :param sight: what this cycle has seen.
        :param due: compare with Airflow and the clusters as well.
        :return: the clusters as they were judged, what came of it, and whether there is more to do at once.
        """
        with self.sessions() as session:
            site = read_site(session, self.settings)
            self._queues = self.rest.begin(session, site, sight.marks, now.timestamp(), due=due)
        views, applications = self._views(now), sight.applications
        self.follower.applications(applications, now)
        more = self._reconcile(views, now) if due else False
        picture, decisions = self._decide(views, applications, rules(site), now)
        while picture.abandoned:
            abandon(self.context, self.leadership, picture.abandoned, now)
            picture, decisions = self._decide(views, applications, rules(site), now)
        decisions = self.prober.probe(picture.snapshot, decisions, now.timestamp())
        self.follower.forget(picture.adopted)
        self.measures.attempts(picture, decisions)
        applied = apply(self.context, self.leadership, picture, decisions, self.prober.strict, now)
        self.observer.expect(decisions)
        self.standstill.forget()
        plain = not self.observer.rotating and not any(_asks(view) for view in views.values())
        if plain and not applied.lost:
            self.rest.remember(views, applications, picture.snapshot, decisions, now.timestamp())
        if not applied.wrote:
            deliver_due(self.context, self.leadership, self._queues, now)
            if plain:
                self.standstill.remember(
                    replace(sight, views=views),
                    self._queues,
                    rules(site),
                    decisions,
                    now.timestamp(),
                    self.rest.next_instant,
                )
        if due:
            self.announcer.announce(views, now)
            self.strays.remove(applications)
            self._reconciled_at = time.monotonic()
        if applied.lost or more:
            self._reconciled_at = None
        return views, applied, more or applied.admitted >= site.batch_size

    def _decide(
        self, views: Views, applications: Applications, rules: Rules, now: datetime.datetime
    ) -> tuple[Picture, Decisions]:
        """Free what has ended, take the picture and decide, hopefully.

        Freeing comes first, so that what has ended makes room for the next in the same cycle.
        """
        with self.sessions() as session:
            held = read_grants(session)
        held = self.reconciler.release(held, views, self._queues, applications, now)
        with self.sessions() as session:
            resting = self.rest.still_resting(session, views, applications, now.timestamp())
            picture = self.observer.picture(
                session, self._queues, views, applications, held, rules, now, resting
            )
            return decide_on(self.observer, session, picture, self.prober.hopeful, now)

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

    def _intake(self, now: datetime.datetime) -> tuple[bool, int]:
        """Take waiting tasks in.

        :return: whether none were left for the next cycle, and the revision of what is read after it.
        """
        with self.sessions() as session:
            ready = take_in(self.context, session)
            revision = self.leadership.revision(session)
        if ready:
            with self.leadership.transaction() as session:
                enqueue(self.context, session, ready, now)
        return len(ready) < BATCH, revision

    def _views(self, now: datetime.datetime) -> Views:
        return views_of(self.context, self._queues, now)

    def _summary(self) -> dict[str, Any]:
        """Return what people shall know of the arbiter itself."""
        unresolved = {alias: str(error) for alias, error in self.clusters.failures.items()}
        return {"unresolved": unresolved, **({"outage": self.outages.last} if self.outages.last else {})}

    @staticmethod
    def _due(last: float | None, interval: float) -> bool:
        return last is None or time.monotonic() - last >= interval
