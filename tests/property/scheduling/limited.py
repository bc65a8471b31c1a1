# SPDX-License-Identifier: Apache-2.0
"""Odd pictures with odd limits, clocks and head rules added, for totality."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from airflow_priority_spark.scheduling.model import HeadRules, Rules, Snapshot

ODD_LIMITS = st.sampled_from((None, -1, 0, 10**30))
USERS = st.sampled_from(("", "ada", "bob"))
SERVICES = st.sampled_from(("", "etl"))
ODD_INSTANTS = st.sampled_from((None, 0.0, 5000.0, float("inf"), float("nan")))

HEAD_RULES = st.builds(
    HeadRules,
    timeout_seconds=st.sampled_from((0.0, 50.0, 100.0, 500.0, 3600.0)),
    retry_count=st.integers(0, 2),
    retry_position=st.sampled_from(("keep", "tail")),
    timeout_action=st.sampled_from(("cancel", "hold")),
    protection_seconds=st.sampled_from((0.0, 300.0)),
)


@st.composite
def limited(draw, pictures) -> Snapshot:
    """Return a picture with limits and clocks added to it."""
    picture = draw(pictures)

    def pool(view):
        return replace(
            view,
            limit=draw(ODD_LIMITS),
            head_rules=draw(st.none() | HEAD_RULES),
            head_timeout_since=draw(ODD_INSTANTS),
            head_clock_paused_at=draw(ODD_INSTANTS),
            head_warned=draw(st.sampled_from((0, 50, 80))),
        )

    def person(item, **fields):
        return replace(item, user=draw(USERS), service=draw(SERVICES), **fields)

    names = [view.name for queue in picture.queues for view in queue.pools]
    rules = picture.rules
    return replace(
        picture,
        clusters=tuple(replace(cluster, limit=draw(ODD_LIMITS)) for cluster in picture.clusters),
        queues=tuple(
            replace(queue, limit=draw(ODD_LIMITS), pools=tuple(map(pool, queue.pools)))
            for queue in picture.queues
        ),
        jobs=tuple(person(job, head_retries=draw(st.integers(0, 2))) for job in picture.jobs),
        grants=tuple(person(grant, pool=draw(st.sampled_from(names))) for grant in picture.grants),
        rules=Rules(
            rules.batch_size,
            draw(HEAD_RULES),
            rules.fail_impossible,
            draw(ODD_LIMITS),
            draw(ODD_LIMITS),
            draw(ODD_LIMITS),
            draw(ODD_LIMITS),
        ),
    )
