# SPDX-License-Identifier: Apache-2.0
"""What holds for every workload: nothing is over-committed or lost, order is kept, and answers repeat."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_priority_spark.simulator.machines import Machines
from airflow_priority_spark.simulator.outcome import Fate
from airflow_priority_spark.simulator.run import Run, queued, simulate
from airflow_priority_spark.simulator.summary import job_lines
from tests.unit.simulator.sites import job, nodes, queue, rules, site, ticks

slow = settings(max_examples=60, deadline=None)
POOLS = {"urgent": 70, "high": 20, "normal": 10}
CPUS = {"team-a": 12, "team-b": 7}


def workload(seed, *, on=(), quota=True, protections=(0, 2, 60)):
    """Return a crowded site and its arrivals; some jobs fit nowhere, many arrive at one instant."""
    rng = random.Random(seed)
    plans = [
        queue(cpus if quota else None, name, POOLS, weight=rng.choice((1, 3))) for name, cpus in CPUS.items()
    ]
    where = site(*plans, on=on, protection=rng.choice(protections), batch_size=rng.choice((1, 3, 100)))
    instants = sorted(rng.choice((0, 1, 2, 2.5, 7, 11, 30)) + rng.randint(0, 20) for _ in range(60))
    jobs = [
        job(
            f"job-{number}",
            at,
            cpu=rng.choice((1, 1, 1, 2, 4)),
            runtime=rng.choice(("500ms", 1, 5, 20)),
            pool=rng.choice(sorted(POOLS)),
            namespace=rng.choice(sorted(CPUS)),
            executors=rng.choice((0, 0, 1, 2, 4)),
        )
        for number, at in enumerate(instants)
    ]
    return where, jobs


def cpus(arrival) -> int:
    return arrival.demand.total()["cpu"] // 1000


@slow
@given(st.integers(0, 2**32), st.booleans())
def test_no_quota_is_ever_over_committed(seed, with_nodes):
    where, jobs = workload(seed, on=nodes(8, 8, 4) if with_nodes else ())
    changes = []
    for record in simulate(where, jobs).order:
        changes.append((record.admitted, 1, record.arrival))
        changes.append((record.finished, 0, record.arrival))
    used = Counter()
    for _, starts, arrival in sorted(changes, key=lambda change: change[:2]):
        used[arrival.namespace] += cpus(arrival) if starts else -cpus(arrival)
        assert 0 <= used[arrival.namespace] <= CPUS[arrival.namespace]


@slow
@given(st.integers(0, 2**32))
def test_no_node_is_ever_over_committed_and_every_pod_of_a_running_job_has_one(seed):
    where, jobs = workload(seed, on=nodes(6, 5, 4), quota=False)
    machines = Machines(where.nodes)
    rng = random.Random(seed)
    running = {}
    for number, item in enumerate(jobs):
        if running and rng.random() < 0.4:
            ended = running.pop(rng.choice(sorted(running)))
            machines.end(ended.job_id)
            running.update({bound.job_id: bound for bound in machines.bind_pending()})
        one = queued(item, number)
        if machines.start(one):
            running[one.job_id] = one
        used, count = Counter(), Counter()
        for pod in machines.pods():
            used[pod.node] += pod.requests["cpu"]
            count[pod.job_id, pod.pod_set] += 1
        assert all(used[node.name] <= node.allocatable["cpu"] for node in where.nodes)
        assert count == {
            (run.job_id, pods.name): pods.count for run in running.values() for pods in run.demand.pod_sets
        }


@slow
@given(st.integers(0, 2**32), st.booleans())
def test_every_job_ends_once_or_says_what_it_waits_for(seed, with_nodes):
    where, jobs = workload(seed, on=nodes(8, 8, 4) if with_nodes else ())
    outcome = simulate(where, jobs)
    assert [record.arrival for record in outcome.jobs] == jobs
    for record in outcome.jobs:
        if record.fate is Fate.FINISHED:
            assert record.arrival.at <= record.admitted
            assert record.finished - record.admitted >= record.arrival.runtime
            assert record.reason is None
        else:
            assert record.fate is Fate.CANCELLED
            assert record.admitted is None
            assert record.reason
    assert sorted(record.job_id for record in outcome.order) == sorted(
        record.job_id for record in outcome.jobs if record.fate is Fate.FINISHED
    )


@slow
@given(st.integers(0, 2**32), st.booleans())
def test_inside_a_pool_nobody_is_overtaken(seed, with_nodes):
    where, jobs = workload(seed, on=nodes(8, 8, 4) if with_nodes else ())
    numbers = {item.job_id: number for number, item in enumerate(jobs)}
    order = defaultdict(list)
    for record in simulate(where, jobs).order:
        order[record.arrival.namespace, record.arrival.pool].append(numbers[record.job_id])
    assert all(line == sorted(line) for line in order.values())


@slow
@given(st.integers(0, 2**32), st.booleans())
def test_the_same_input_gives_the_same_output(seed, with_nodes):
    where, jobs = workload(seed, on=nodes(8, 8, 4) if with_nodes else ())
    once, again = simulate(where, jobs), simulate(where, jobs)
    assert list(job_lines(once.jobs)) == list(job_lines(again.jobs))
    assert [record.job_id for record in once.order] == [record.job_id for record in again.order]
    assert (once.decisions, once.cycles, once.usage_percent) == (
        again.decisions,
        again.cycles,
        again.usage_percent,
    )


class _ShowsEverything(Run):
    """Decides over all queues at every instant, whether something changed there or not."""

    def _shown(self):
        return list(self._queues.values())


@slow
@given(st.integers(0, 2**32))
def test_leaving_unchanged_queues_out_of_the_picture_changes_nothing(seed):
    # With no protection time at all, two heads may both protect that were blocked in one decision, the one by
    # the other; which of them goes first is then decided anew, by name.
    where, jobs = workload(seed, protections=(2, 60))
    short, whole = simulate(where, jobs), _ShowsEverything(where, jobs).run()
    assert list(job_lines(short.jobs)) == list(job_lines(whole.jobs))
    assert Counter(record.admitted for record in short.order) == Counter(
        record.admitted for record in whole.order
    )


def counts_in_windows(outcome, size=10, busy_until=None):
    """Return the pools of every window of so many admissions while all pools had jobs waiting."""
    pools = [record.arrival.pool for record in outcome.order if record.admitted < busy_until]
    return [Counter(pools[start : start + size]) for start in range(len(pools) - size + 1)]


@slow
@given(st.integers(1, 12), st.sampled_from((1, 7, 100)), st.sampled_from(("1s", "700ms")))
def test_90_to_10_holds_to_the_job_over_every_window_of_ten(cpu, batch_size, runtime):
    where = site(queue(cpu), batch_size=batch_size)
    jobs = [
        job(f"{pool}-{number}", pool=pool, runtime=runtime)
        for pool in ("high", "normal")
        for number in range(200)
    ]
    outcome = simulate(where, jobs)
    busy = max(record.admitted for record in outcome.order if record.arrival.pool == "high")
    windows = counts_in_windows(outcome, busy_until=busy)
    assert windows
    assert all(window == {"high": 9, "normal": 1} for window in windows)


@slow
@given(st.integers(1, 12), st.sampled_from((1, 7, 100)))
def test_70_to_20_to_10_holds_to_the_job_over_every_window_of_ten(cpu, batch_size):
    where = site(queue(cpu, pools=POOLS), batch_size=batch_size)
    jobs = [job(f"{pool}-{number}", pool=pool, runtime=1) for pool in POOLS for number in range(150)]
    outcome = simulate(where, jobs)
    busy = max(record.admitted for record in outcome.order if record.arrival.pool == "urgent")
    windows = counts_in_windows(outcome, busy_until=busy)
    assert windows
    assert all(window == {"urgent": 7, "high": 2, "normal": 1} for window in windows)


@slow
@given(st.integers(0, 2**32), st.sampled_from((0, 5, 60)), st.sampled_from(("high", "normal")), st.booleans())
def test_a_stream_of_small_jobs_cannot_keep_a_large_head_waiting_for_long(seed, protection, pool, with_nodes):
    """The guarantee of rule 4: it starts within the protection time and the longest running job.

    A small job that was blocked before the large one came may protect first, and starts first.
    """
    rng = random.Random(seed)
    size, longest = rng.randint(5, 8), 20
    other = "normal" if pool == "high" else "high"
    small = [
        job(f"small-{at}-{number}", at, pool=other, runtime=rng.randint(1, longest))
        for at in range(400)
        for number in range(2)
    ]
    large = job("large", rng.randint(30, 60), cpu=size, pool=pool)
    where = site(queue(None if with_nodes else 8), on=nodes(8) if with_nodes else (), protection=protection)
    outcome = simulate(where, sorted([*small, large], key=lambda item: item.at))
    [started] = [record.admitted for record in outcome.jobs if record.job_id == "large"]
    blocked_before = min(
        record.admitted
        for record in outcome.order
        if record.arrival.pool == other and record.arrival.at <= large.at < record.admitted
    )
    begin = large.at + ticks(protection)
    if blocked_before < started:
        begin = max(begin, blocked_before)
    assert started <= begin + ticks(longest)
    assert started < ticks(399), "the stream was over"


def test_rules_of_the_workload_are_the_rules_of_the_decision():
    assert rules(protection="1500ms").head_rules.protection_seconds == 1_500_000
