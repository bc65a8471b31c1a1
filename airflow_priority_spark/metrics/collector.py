# SPDX-License-Identifier: Apache-2.0
"""From the tables to metrics: a collector for prometheus-client.

It remembers nothing. What is true now is read from the tables, what has ever happened from the tallies;
so any number of exporters agree, and none of them has to be the arbiter.
"""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Callable, Iterable, Iterator

from airflow import __version__ as airflow_version
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from airflow_priority_spark import __version__
from airflow_priority_spark.metrics.bounds import Bounds
from airflow_priority_spark.metrics.catalogue import BY_KEY, FROM_THE_START
from airflow_priority_spark.metrics.samples import Labels, Samples
from airflow_priority_spark.metrics.state import arbiter, capacity, lines, usage
from airflow_priority_spark.store.leadership import SessionFactory
from airflow_priority_spark.store.metric_reads import Site, read_site

Clock = Callable[[], datetime.datetime]


class SiteCollector(Collector):
    """Reads the whole site for every scrape.

    :param sessions: makes sessions on Airflow's metadata database.
    :param bounds: which labels there are, and how many values.
    """

    def __init__(self, sessions: SessionFactory, bounds: Bounds, clock: Clock) -> None:
        self._sessions, self._bounds, self._clock = sessions, bounds, clock

    def describe(self) -> Iterator[Family]:
        """Return nothing: registering must not read the database."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Return every family.

        :raises DatabaseNotMigrated: when the tables are missing.
        """
        began = time.perf_counter()
        with self._sessions() as session:
            site = read_site(session, self._clock())
        samples = sample(site, self._bounds)
        samples.add("scrape_duration_seconds", (), time.perf_counter() - began)
        return samples.families()


def sample(site: Site, bounds: Bounds) -> Samples:
    """Return the samples of what was read."""
    samples = Samples()
    lines(samples, site, bounds)
    capacity(samples, site)
    usage(samples, site, bounds)
    arbiter(samples, site)
    _sums(samples, site, bounds)
    samples.add("build_info", (__version__, airflow_version, platform.python_version()), 1)
    return samples


def _sums(samples: Samples, site: Site, bounds: Bounds) -> None:
    """Add counters and histograms; where they name a queue, its id becomes cluster and namespace."""
    known: set[Labels] = set()
    for (key, labels), amount in site.totals.items():
        metric = BY_KEY.get(key)
        if metric is None:
            continue
        values = labels
        if "namespace" in metric.labels:
            queue = site.queues.get(int(labels[0]))
            if queue is None:
                continue
            line = (queue.cluster, queue.namespace, bounds.pool(labels[1]))
            known.add(line)
            values = (*line, *labels[2:])
        if metric.kind == "histogram":
            samples.observe(key, values, amount)
        else:
            samples.add(key, values, amount.sum)
    for key, further in FROM_THE_START.items():
        places: Iterable[Labels] = known if "namespace" in BY_KEY[key].labels else ((),)
        for place in places:
            for more in further:
                samples.add(key, (*place, *more), 0)
