# SPDX-License-Identifier: Apache-2.0
"""Fair shares: smooth weighted round robin inside a queue, dominant resources between queues.

Inside a queue the unit is the admission: with weights 90 and 10, nine of every ten. Random draws
or counters that reset would give that on average only; smooth weighted round robin gives it in
every window, and spreads the one among the nine. Between queues that share nodes the unit is
what they hold: the one whose most-used resource is the smallest part of the cluster goes next.

Sources: nginx ``src/http/ngx_http_upstream_round_robin.c``
(``ngx_http_upstream_get_peer``: add each weight, take the greatest, subtract the total from it);
Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, section 4.1 (weighted: share divided by weight).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def next_pool(weights: Sequence[int], credits: Sequence[int]) -> int:
    """Return the index that smooth weighted round robin picks next; ties go to the first.

    :param weights: of the pools that have an eligible, unblocked head; at least one.
    :param credits: of the same pools.
    """
    raised = [credit + weight for credit, weight in zip(credits, weights, strict=True)]
    return raised.index(max(raised))


def charged(weights: Sequence[int], credits: Sequence[int], admitted: int, bound: int) -> list[int]:
    """Return the credits after an admission from the pool with index ``admitted``.

    :param bound: the sum of all the queue's weights. Round robin alone stays inside; a head that
        protection let go first, or weights that were edited, must not buy a long run of turns.
    """
    raised = [credit + weight for credit, weight in zip(credits, weights, strict=True)]
    raised[admitted] -= sum(weights)
    if -bound <= min(raised) and max(raised) <= bound:
        return raised
    return [max(-bound, min(bound, credit)) for credit in raised]


def weighted_share(held: Mapping[str, int], totals: Mapping[str, int], weight: int) -> float:
    """Return a queue's dominant share divided by its weight (at least 1).

    One division of integers per resource, which Python rounds correctly: equal shares are equal floats,
    however they come about.

    :param held: requests of the queue's jobs, in base units.
    :param totals: what the cluster has; resources it has nothing of do not count.
    """
    share, divisor = 0.0, max(1, weight)
    for name, amount in held.items():
        total = totals.get(name, 0)
        if total > 0 and amount > 0:
            share = max(share, amount / (total * divisor))
    return share
