# SPDX-License-Identifier: Apache-2.0
"""Collects the samples of one scrape and makes families of them, as the catalogue has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)

from airflow_priority_spark.metrics.catalogue import CATALOGUE, PREFIX
from airflow_priority_spark.store.tallies import BUCKETS, SHORT_BUCKETS, Amount

Labels = tuple[str, ...]


class Samples:
    """Sums of one scrape: what has the same labels is added up."""

    def __init__(self) -> None:
        self.numbers: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self.histograms: dict[str, dict[Labels, Amount]] = defaultdict(dict)

    def add(self, key: str, labels: Labels, value: float) -> None:
        """Add to a gauge or counter.

        :param labels: values in the catalogue's order.
        """
        self.numbers[key][labels] += value

    def greatest(self, key: str, labels: Labels, value: float) -> None:
        """Keep the greatest value of a gauge, where labels are switched off."""
        known = self.numbers[key].get(labels)
        self.numbers[key][labels] = value if known is None else max(known, value)

    def observe(self, key: str, labels: Labels, amount: Amount) -> None:
        """Add to a histogram."""
        self.histograms[key][labels] = self.histograms[key].get(labels, Amount()) + amount

    def families(self) -> Iterator[Family]:
        """Return every metric of the catalogue, also those without a sample, in its order."""
        for metric in CATALOGUE:
            name = PREFIX + metric.key
            if metric.kind == "histogram":
                bounds = SHORT_BUCKETS if metric.key == "cycle_duration_seconds" else BUCKETS
                family = HistogramMetricFamily(name, metric.help, labels=metric.labels)
                for labels, amount in sorted(self.histograms[metric.key].items()):
                    family.add_metric(labels, _cumulated(amount, bounds), amount.sum)
                yield family
                continue
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            plain = kind(name, metric.help, labels=metric.labels)
            for labels, value in sorted(self.numbers[metric.key].items()):
                plain.add_metric(labels, value)
            yield plain


def _cumulated(amount: Amount, bounds: Sequence[float]) -> list[tuple[str, float]]:
    """Return (upper bound, observations up to it), as Prometheus wants them."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    counts = accumulate(amount.buckets or (0,) * len(names))
    return [(name, float(count)) for name, count in zip(names, counts, strict=True)]
