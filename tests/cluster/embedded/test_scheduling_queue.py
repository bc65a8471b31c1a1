# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is, and who is tried again when: the scheduler's queue with a clock of its own."""

import pytest

from airflow_priority_spark.embedded.scheduling_queue import SchedulingQueue


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return SchedulingQueue(clock)


def waiting(name, *, priority=0, created="2026-01-01T00:00:00Z", version="1", **spec):
    metadata = {"uid": name, "name": name, "creationTimestamp": created, "resourceVersion": version}
    return {"metadata": metadata, "spec": {"priority": priority, **spec}}


def names(queue):
    """Every name that the queue gives out now."""
    found = []
    while pod := queue.pop():
        found.append(pod["metadata"]["name"])
    return found


def parked(queue, *pods, group="g", alone=False):
    for pod in pods:
        queue.put(pod)
    while pod := queue.pop():
        queue.park(pod, group, alone=alone)


def test_higher_priority_comes_first_then_age(queue):
    queue.put(waiting("young", created="2026-01-01T00:00:09Z"))
    queue.put(waiting("old"))
    queue.put(waiting("urgent", priority=9, created="2026-01-01T00:00:09Z"))

    assert names(queue) == ["urgent", "old", "young"]


def test_of_a_thousand_alike_one_is_held_against_an_event(queue):
    parked(queue, *(waiting(f"pod-{number:04}", version=str(number)) for number in range(1000)))

    assert [head.pod["metadata"]["name"] for _, head in queue.heads()] == ["pod-0000"]
    assert queue.wake("g")
    assert names(queue) == ["pod-0000"]
    assert [head.pod["metadata"]["name"] for _, head in queue.heads()] == ["pod-0001"]


def test_a_pod_that_is_gone_is_neither_woken_nor_given_out(queue):
    parked(queue, waiting("gone"), waiting("here", version="2"))
    queue.drop("gone")

    assert queue.wake("g")
    assert names(queue) == ["here"]
    assert not queue.wake("g")


def test_a_pod_that_asks_for_something_else_is_tried_at_once(queue):
    parked(queue, waiting("a"))

    assert not queue.put(waiting("a", version="2"))
    assert names(queue) == []
    assert queue.put(waiting("a", version="3", tolerations=[{"operator": "Exists"}]))
    assert names(queue) == ["a"]


def test_a_pod_that_cares_for_others_backs_off_from_one_second_to_ten(queue, clock):
    pod = waiting("picky")
    queue.put(pod)
    pauses = []
    for _ in range(6):
        assert names(queue) == ["picky"]
        queue.park(pod, "picky", alone=True)
        queue.wake("picky")
        pauses.append(queue.seconds_to_next())
        clock.now += pauses[-1] - 0.1
        assert names(queue) == []
        clock.now += 0.2

    assert pauses == pytest.approx([1, 2, 4, 8, 10, 10])


def test_a_pod_that_something_went_wrong_with_is_tried_after_a_pause(queue, clock):
    queue.put(waiting("unlucky"))
    queue.retry(queue.pop())

    assert names(queue) == []
    clock.now += 1
    assert names(queue) == ["unlucky"]


def test_pods_without_any_event_are_tried_again_after_five_minutes(queue, clock):
    parked(queue, waiting("forgotten"))
    clock.now += 299
    queue.wake_forgotten()
    assert names(queue) == []

    clock.now += 1
    queue.wake_forgotten()
    assert names(queue) == ["forgotten"]
