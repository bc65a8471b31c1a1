# SPDX-License-Identifier: Apache-2.0
"""When a decision need not be made because the last one would only be made again.

A decision follows from the tables, the pictures of the clusters and the clock. A site with a thousand
queues pays a hundred milliseconds and more to read and decide all of that, and most of the time nothing of
it has changed since. So the loop remembers what it last decided upon without anything coming of it, and
goes on only when one of these differs:

- *tables*: whatever an arbiter writes passes the fence, and whatever a person does lines up behind it and
  counts up the ``revision`` of its row;
- *pictures*: parts of a picture that have not changed are the same objects, which makes comparing cheap;
- *clock*: the next instant at which the clock of some head comes to something.

None of this is trusted for long: whenever the loop reconciles, and at least every ``LONGEST_SECONDS``, it
looks again, at slices of the queues where these are many (``resting``). So a change that nobody counted, made
by hand in the tables, waits until then at most, or until its slice has its turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.scheduling.clock import next_instant
from airflow_priority_spark.scheduling.model import ClusterView, Decisions, Rules
from airflow_priority_spark.store.leadership import Marks
from airflow_priority_spark.store.queue_table import QueueTable

LONGEST_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Sight:
    """All that a decision is made from, but for the rows that ``marks`` stand for."""

    marks: Marks
    views: Mapping[str, ClusterView]
    applications: Applications

    def same(self, other: Sight) -> bool:
        """Tell whether a decision on the other would be the same, but for clocks."""
        return (
            self.marks == other.marks
            and self.views == other.views
            and self.applications.all == other.applications.all
        )


class Standstill:
    """Remembers the last sight on which nothing came of a decision."""

    def __init__(self) -> None:
        self._sight: Sight | None = None
        self._until = -math.inf

    def holds(self, sight: Sight, now: float) -> bool:
        """Tell whether deciding on this sight would change nothing.

        :param now: POSIX seconds.
        """
        return self._sight is not None and now < self._until and self._sight.same(sight)

    def remember(
        self,
        sight: Sight,
        queues: QueueTable,
        rules: Rules,
        decisions: Decisions,
        now: float,
        others: float = math.inf,
    ) -> None:
        """Note that nothing came of a decision.

        :param queues: with the rules of their heads.
        :param rules: for pools without rules of their own.
        :param others: when the clock of a head that was not decided upon next comes to something.
        """
        instants = (
            next_instant(state, view.head_rules or rules.head_rules, now)
            for queue in queues.views
            for view in queue.pools
            if (state := decisions.pools.get((queue.key, view.name))) is not None
        )
        self._sight, self._until = sight, min(now + LONGEST_SECONDS, others, *instants)

    def forget(self) -> None:
        """Look at everything again."""
        self._sight = None
