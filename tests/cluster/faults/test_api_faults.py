# SPDX-License-Identifier: Apache-2.0
"""Faults of the API, through the real clients; and how the cluster room says, survives and forgets each."""

import time
from email.utils import parsedate_to_datetime

import pytest
from kubernetes.client import ApiException
from urllib3.exceptions import MaxRetryError

from tests.cluster.applications import eventually, pod
from tests.cluster.embedded.test_api import refusal

pytestmark = pytest.mark.cluster

LOST, REGAINED, AGAIN = "lost", "regained", "begins again with a list"


def is_stale_because(observed, words):
    return lambda: not observed.view.fresh and words in observed.view.stale_reason


def test_latency_makes_answers_late_and_nothing_stale(faults, observed, kubernetes, namespace):
    with faults.active("latency", by="700ms", resource="pods"):
        began = time.monotonic()
        kubernetes.core.list_namespaced_pod(namespace)
        assert time.monotonic() - began >= 0.7
        began = time.monotonic()
        kubernetes.core.list_namespaced_service(namespace)
        assert time.monotonic() - began < 0.7
        assert observed.view.fresh
    assert observed.said(LOST) == []


def test_a_closed_port_refuses_connections_until_it_is_open_again(faults, observed, kubernetes, namespace):
    with faults.active("refused"):
        with pytest.raises(MaxRetryError, match="Connection refused"):
            kubernetes.core.list_namespaced_pod(namespace, _request_timeout=2)
        eventually(is_stale_because(observed, "does not answer"), "the picture is stale and says why")
    eventually(observed.is_fresh, "the picture is fresh again")
    kubernetes.core.create_namespaced_pod(namespace, pod("after"))
    eventually(lambda: "after" in observed.pods(namespace), "the watch tells again")
    assert len(observed.said(LOST)) == 1
    assert len(observed.said(REGAINED)) == 1


def test_429_says_when_to_come_back_and_the_client_does(faults, kubernetes, namespace):
    faults.add("throttled", retry_after=1, resource="pods", verb="list", count=1)

    began = time.monotonic()
    kubernetes.core.list_namespaced_pod(namespace)

    assert time.monotonic() - began >= 1
    assert faults.list() == [], "it was to strike once"


def test_a_throttled_watch_waits_as_long_as_it_is_asked_to(faults, observed, embedded_cluster, namespace):
    faults.add("throttled", retry_after=2, resource="pods", count=1)
    faults.add("gone", resource="pods", count=1)

    eventually(lambda: observed.said(LOST), "the watch is lost")
    began = time.monotonic()
    eventually(lambda: observed.said(REGAINED), "the watch is regained")

    assert time.monotonic() - began > 1.5
    (line,) = observed.said(LOST)
    assert "too many requests" in line
    assert "HTTP 429" in line


@pytest.mark.parametrize(
    ("kind", "code", "message", "reason"),
    [
        ("server-error", 500, "Internal error occurred: fault server-error-", "HTTP 500"),
        ("expired-token", 401, "Unauthorized", "are not accepted; renew them"),
    ],
)
def test_refusals(faults, observed, kubernetes, namespace, kind, code, message, reason):
    with faults.active(kind, resource="pods"):
        answer = refusal(kubernetes.core.list_namespaced_pod, namespace)
        assert answer[0] == code
        assert answer[1].startswith(message)
        assert observed.view.fresh, "an open watch does not ask again"
        faults.add("gone", resource="pods", count=1)
        eventually(is_stale_because(observed, reason), "the picture is stale and says why")
    eventually(observed.is_fresh, "the picture is fresh again")
    assert len(observed.said(LOST)) == 1
    assert len(observed.said(REGAINED)) == 1


def test_a_half_open_watch_is_noticed_by_its_silence(faults, observed, kubernetes, namespace):
    with faults.active("half-open", resource="pods"):
        kubernetes.core.create_namespaced_pod(namespace, pod("unseen"))
        time.sleep(0.5)
        assert "unseen" not in observed.pods(namespace)
        eventually(lambda: "unseen" in observed.pods(namespace), "a new list has shown it")
    kubernetes.core.create_namespaced_pod(namespace, pod("after"))
    eventually(lambda: "after" in observed.pods(namespace), "the watch tells again")
    (line,) = [line for line in observed.said(AGAIN) if "nothing came for 1 s" in line][:1]
    assert "not even a bookmark" in line


def test_a_storm_of_410_is_sat_out_with_growing_pauses(faults, observed, kubernetes, namespace):
    before = observed.observer.counters()["pods"].lists
    with faults.active("gone", resource="pods"):
        kubernetes.core.create_namespaced_pod(namespace, pod("meanwhile"))
        eventually(lambda: "meanwhile" in observed.pods(namespace), "lists show what watches do not")
        time.sleep(2)
        lists = observed.observer.counters()["pods"].lists - before
        assert observed.view.fresh
    kubernetes.core.create_namespaced_pod(namespace, pod("after"))
    eventually(lambda: "after" in observed.pods(namespace), "the watch tells again")
    assert 3 <= lists <= 25, "it tries again, but not in a busy loop"
    (line,) = observed.said(AGAIN)
    assert "(410)" in line


def test_a_skewed_clock_shows_in_dates_and_does_not_make_the_picture_stale(
    faults, observed, kubernetes, namespace
):
    with faults.active("clock-skew", by="1h"):
        made = kubernetes.core.create_namespaced_pod(namespace, pod("early"))
        _, _, headers = kubernetes.core.list_namespaced_pod_with_http_info(namespace)
        eventually(lambda: "early" in observed.pods(namespace), "the pod is seen")
        assert observed.view.fresh
    assert 3500 < made.metadata.creation_timestamp.timestamp() - time.time() < 3700
    assert 3500 < parsedate_to_datetime(headers["Date"]).timestamp() - time.time() < 3700
    with faults.active("clock-skew", by="-1h"):
        late = kubernetes.core.create_namespaced_pod(namespace, pod("late"))
    assert late.metadata.creation_timestamp.timestamp() < time.time() - 3500


def test_a_fault_ends_when_its_time_is_over(faults, kubernetes, namespace):
    faults.add("server-error", resource="pods", for_="500ms")
    with pytest.raises(ApiException):
        kubernetes.core.list_namespaced_pod(namespace)
    eventually(lambda: faults.list() == [], "it has ended by itself")
    kubernetes.core.list_namespaced_pod(namespace)
