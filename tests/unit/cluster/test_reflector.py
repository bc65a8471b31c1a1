# SPDX-License-Identifier: Apache-2.0
"""A reflector stays in step whatever the API server does; over real sockets."""

import logging
import threading
import time
from random import Random

import pytest

from airflow_priority_spark.cluster.kinds import PODS, RESOURCE_QUOTAS, SPARK_APPLICATIONS
from airflow_priority_spark.cluster.reflector import Reflector, Rhythm
from airflow_priority_spark.errors import ClusterUnavailable, CustomResourceMissing, PermissionMissing

PATH = "/api/v1/pods"
QUICK = Rhythm(watch=60, idle=30, resync=1800, retry_first=0.01, retry_most=0.05, page=2)


def item(name, value="", version="1"):
    return {"metadata": {"namespace": "team-a", "name": name, "resourceVersion": version}, "value": value}


def listing(*items, version="10", more=None):
    metadata = {"resourceVersion": version, **({"continue": more} if more else {})}
    return lambda request: request.reply({"metadata": metadata, "items": list(items)})


def watching(*events, then="hang"):
    def answer(request):
        request.begin()
        for what, value in events:
            request.event(what, value)
        getattr(request, then)()

    return answer


QUIET = watching()


@pytest.fixture
def reflect(api):
    """Start a reflector of pods (views are the objects' ``value``); all are stopped at the end."""
    started = []

    def start(kind=PODS, rhythm=QUICK, changed=lambda: None, convert=lambda raw: raw["value"], **options):
        reflector = Reflector(
            api.connection, kind, convert, changed, rhythm=rhythm, random=Random(0), **options
        )
        started.append(reflector)
        reflector.start()
        return reflector

    yield start
    for reflector in started:
        reflector.stop()


def values(reflector):
    return {name: value for (_, name), value in reflector.views().items()}


def test_a_list_read_in_pages_is_followed_by_a_watch_from_its_version(api, reflect, eventually):
    api.on(PATH, listing(item("a", "1"), item("b", "2"), more="next"), listing(item("c", "3"), version="11"))
    api.on("watch:" + PATH, QUIET)

    reflector = reflect()

    eventually(lambda: api.watches(PATH), "a watch is open")
    assert values(reflector) == {"a": "1", "b": "2", "c": "3"}
    assert [query.get("continue") for query in api.lists(PATH)] == [None, "next"]
    assert [query["limit"] for query in api.lists(PATH)] == ["2", "2"]
    assert api.watches(PATH)[0]["resourceVersion"] == "11"
    assert api.watches(PATH)[0]["allowWatchBookmarks"] == "true"
    assert 48 <= int(api.watches(PATH)[0]["timeoutSeconds"]) <= 60


def test_events_change_the_views_and_call_back(api, reflect, eventually):
    api.on(PATH, listing(item("a", "1"), item("b", "2")))
    api.on(
        "watch:" + PATH,
        watching(
            ("MODIFIED", item("a", "one")),
            ("DELETED", item("b", "2")),
            ("ADDED", item("c", "3")),
            ("BOOKMARK", {"metadata": {"resourceVersion": "99"}}),
        ),
    )
    calls = []
    reflector = reflect(changed=lambda: calls.append(1))

    eventually(lambda: reflector.state.events == 4, "all events have arrived")
    assert values(reflector) == {"a": "one", "c": "3"}
    assert len(calls) == 4  # the list and three events; a bookmark changes nothing
    assert reflector.state.last_event_at == pytest.approx(time.time(), abs=10)


def test_an_event_that_changes_nothing_we_look_at_wakes_nobody(api, reflect, eventually):
    api.on(PATH, listing(item("a", "1")))
    api.on("watch:" + PATH, watching(("MODIFIED", item("a", "1", version="12"))))
    calls = []
    reflector = reflect(changed=lambda: calls.append(1))

    eventually(lambda: reflector.state.events == 1, "the event has arrived")
    assert len(calls) == 1
    assert reflector.version == 1


def test_a_watch_that_ends_on_time_goes_on_from_the_last_bookmark_without_a_list(api, reflect, eventually):
    api.on(PATH, listing())
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "77"}})
    api.on("watch:" + PATH, watching(bookmark, then="end"), QUIET)

    reflector = reflect()

    eventually(lambda: len(api.watches(PATH)) == 2, "the second watch is open")
    assert api.watches(PATH)[1]["resourceVersion"] == "77"
    assert len(api.lists(PATH)) == 1
    assert reflector.state.restarts == 0


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(lambda request: request.refuse(410, "too old resource version"), id="as a status"),
        pytest.param(watching(("ERROR", {"code": 410, "message": "too old"}), then="end"), id="as an event"),
    ],
)
def test_after_410_everything_is_listed_again(api, reflect, eventually, gone, caplog):
    api.on(PATH, listing(item("a", "1")), listing(item("a", "2"), version="20"))
    api.on("watch:" + PATH, gone, QUIET)

    with caplog.at_level(logging.INFO, "airflow_priority_spark"):
        reflector = reflect()
        eventually(lambda: len(api.watches(PATH)) == 2, "the second watch is open")

    assert values(reflector) == {"a": "2"}
    assert api.watches(PATH)[1]["resourceVersion"] == "20"
    assert (reflector.state.restarts, reflector.state.errors) == (1, 0)
    assert not caplog.records


def test_a_list_that_outlives_the_history_is_taken_in_one_piece(api, reflect, eventually):
    api.on(
        PATH,
        listing(item("a"), item("b"), more="next"),
        lambda request: request.refuse(410, "The provided continue parameter is too old"),
        listing(item("a"), item("b"), item("c")),
    )
    api.on("watch:" + PATH, QUIET)

    reflector = reflect()

    eventually(lambda: api.watches(PATH), "a watch is open")
    assert len(values(reflector)) == 3
    assert "limit" not in api.lists(PATH)[2]


def test_a_broken_connection_goes_on_where_it_stopped(api, reflect, eventually, caplog):
    api.on(PATH, listing())
    api.on(
        "watch:" + PATH,
        watching(("ADDED", item("a", "1", version="12")), then="reset"),
        watching(("ADDED", item("b", "2", version="13"))),
    )
    with caplog.at_level(logging.INFO, "airflow_priority_spark"):
        reflector = reflect()
        eventually(lambda: len(values(reflector)) == 2, "both pods are known")

    assert api.watches(PATH)[1]["resourceVersion"] == "12"
    assert len(api.lists(PATH)) == 1
    lost, regained = (record.getMessage() for record in caplog.records)
    where = f"cluster http://127.0.0.1:{api.port} (connection scripted)"
    assert lost.startswith(f"watch of pods lost: {where} does not answer: ")
    assert regained.startswith(f"watch of pods of {where} regained after ")


def test_a_silent_connection_is_given_up_and_listed_again(api, reflect, eventually):
    api.on(PATH, listing(item("a", "1")), listing(item("a", "2")))
    api.on("watch:" + PATH, QUIET)

    reflector = reflect(rhythm=Rhythm(watch=60, idle=0.2, retry_first=0.01))

    eventually(lambda: values(reflector) == {"a": "2"}, "the second list has been read")
    assert reflector.state.lost_since is None


def test_stop_does_not_wait_for_a_server_that_never_answers(api, reflect, eventually):
    api.on(PATH, lambda request: request.hang())
    reflector = reflect()
    eventually(lambda: api.lists(PATH), "the list has been asked for")

    began = time.monotonic()
    reflector.stop()

    assert time.monotonic() - began < 1.0


def test_500_is_retried_with_growing_pauses_until_it_works(api, reflect, eventually, caplog):
    broken = lambda request: request.refuse(500, "etcdserver: leader changed")  # noqa: E731
    api.on(PATH, broken, broken, broken, listing(item("a", "1")))
    api.on("watch:" + PATH, QUIET)

    with caplog.at_level(logging.INFO, "airflow_priority_spark"):
        reflector = reflect()
        eventually(lambda: reflector.state.synced, "the list has been read")

    assert (reflector.state.errors, reflector.state.error, reflector.state.lost_since) == (3, None, None)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, "one line when it is lost, one when it is regained"
    assert 'the API server says "etcdserver: leader changed" (HTTP 500)' in messages[0]
    assert "(3 errors since the start)" in messages[1]


def test_429_waits_as_long_as_the_server_asks(api, reflect, eventually):
    api.on(PATH, lambda request: request.refuse(429, "too many requests", Retry_After="1"), listing())
    api.on("watch:" + PATH, QUIET)

    began = time.monotonic()
    reflector = reflect()
    eventually(lambda: reflector.state.synced, "the list has been read")

    assert time.monotonic() - began >= 1.0
    assert len(api.lists(PATH)) == 2


def test_a_refused_connection_is_lost_and_regained_by_itself(api, reflect, eventually):
    api.on(PATH, listing(item("a", "1")))
    api.on("watch:" + PATH, QUIET)
    api.stop()
    reflector = reflect()

    state = eventually(lambda: reflector.state.error and reflector.state, "the failure is noticed")
    assert isinstance(state.error, ClusterUnavailable)
    assert str(state.error) == (
        f"cluster http://127.0.0.1:{api.port} (connection scripted) does not answer: "
        "Failed to establish a new connection: [Errno 111] Connection refused. "
        "Check that the API server runs and that this host can reach it."
    )
    assert state.lost_since is not None
    assert not state.synced

    api.start()
    eventually(lambda: reflector.state.synced, "the list has been read")
    assert reflector.state.error is None
    assert values(reflector) == {"a": "1"}


def test_403_names_the_verb_the_resource_and_whom_to_grant_it(api, reflect, eventually):
    path = "/api/v1/namespaces/team-a/resourcequotas"
    said = (
        'resourcequotas is forbidden: User "system:serviceaccount:airflow:arbiter" cannot list resource '
        '"resourcequotas" in API group "" in the namespace "team-a"'
    )
    api.on(path, lambda request: request.refuse(403, said), listing())
    api.on("watch:" + path, lambda request: request.refuse(403, "no"), QUIET)
    errors, started = [], threading.Event()

    def note_error():
        started.wait()
        errors.append(reflector.state.error)

    reflector = reflect(RESOURCE_QUOTAS, changed=note_error, namespace="team-a")
    started.set()

    eventually(lambda: len(errors) >= 4, "list refused, list granted, watch refused, watch granted")
    where = f"of cluster http://127.0.0.1:{api.port} (connection scripted)"
    assert [type(error) for error in errors[:4]] == [
        PermissionMissing,
        type(None),
        PermissionMissing,
        type(None),
    ]
    assert str(errors[0]) == (
        f'cannot list resourcequotas in namespace team-a {where}: the API server says "{said}". '
        "Grant the verb list on resourcequotas in namespace team-a to system:serviceaccount:airflow:arbiter."
    )
    assert str(errors[2]).startswith(f"cannot watch resourcequotas in namespace team-a {where}")
    assert str(errors[2]).endswith(
        "Grant the verb watch on resourcequotas in namespace team-a to the user of connection scripted."
    )


def test_a_missing_crd_says_what_to_install_and_is_found_once_it_is_there(api, reflect, eventually):
    path = "/apis/sparkoperator.k8s.io/v1beta2/sparkapplications"
    missing = lambda request: request.refuse(404, "404 page not found")  # noqa: E731
    api.on(path, missing)
    api.on("watch:" + path, QUIET)
    reflector = reflect(SPARK_APPLICATIONS)

    error = eventually(lambda: reflector.state.error, "the missing CRD is noticed")
    assert isinstance(error, CustomResourceMissing)
    assert str(error) == (
        "the SparkApplication CRD (sparkapplications.sparkoperator.k8s.io) is not installed in cluster "
        f"http://127.0.0.1:{api.port} (connection scripted); install the Kubeflow Spark operator"
    )
    api.on(path, listing(item("a", "1")))
    eventually(lambda: values(reflector) == {"a": "1"}, "the application is known")


def test_watches_that_end_at_once_are_not_asked_for_in_a_loop(api, reflect, eventually):
    api.on(PATH, listing())
    api.on("watch:" + PATH, watching(then="end"))
    reflector = reflect(rhythm=Rhythm(retry_first=0.1, retry_most=10))

    time.sleep(1.0)
    assert 2 <= len(api.watches(PATH)) <= 6
    assert reflector.state.lost_since is None, "every list has answered"


def test_an_object_that_cannot_be_read_stops_the_picture_and_is_named(api, reflect, eventually):
    api.on(PATH, listing({"metadata": {"namespace": "team-a", "name": "odd"}}))
    reflector = reflect()

    error = eventually(lambda: reflector.state.error, "the failure is noticed")
    assert "cannot read pods of cluster" in str(error)
    assert "KeyError: 'value'" in str(error)


def test_a_listener_that_fails_does_not_end_the_watch(api, reflect, eventually, caplog):
    api.on(PATH, listing())
    api.on("watch:" + PATH, watching(("ADDED", item("a", "1")), ("ADDED", item("b", "2"))))

    reflector = reflect(changed=lambda: 1 / 0)

    eventually(lambda: values(reflector) == {"a": "1", "b": "2"}, "both pods are known")
    assert "whoever listens to the watch of pods failed" in caplog.text


def test_a_list_is_repeated_after_the_resync_time(api, reflect, eventually):
    now = [1000.0]
    api.on(PATH, listing(item("a", "1")), listing(item("a", "2")))
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "77"}})

    def end_later(request):
        now[0] += 2000
        watching(bookmark, then="end")(request)

    api.on("watch:" + PATH, end_later, QUIET)
    reflector = reflect(clock=lambda: now[0])

    eventually(lambda: values(reflector) == {"a": "2"}, "the second list has been read")
    assert reflector.state.lists == 2


def test_stop_interrupts_a_quiet_watch_within_a_second(api, reflect, eventually):
    api.on(PATH, listing())
    api.on("watch:" + PATH, QUIET)
    reflector = reflect()
    eventually(lambda: api.watches(PATH), "a watch is open")
    time.sleep(0.1)

    began = time.monotonic()
    reflector.stop(wait_seconds=5)

    assert time.monotonic() - began < 1.0
    assert reflector.state.error is None
