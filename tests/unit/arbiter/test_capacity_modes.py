# SPDX-License-Identifier: Apache-2.0
"""What keeps the capacity modes from standing in a cycle's way, and placeholders from each other's."""

import time
from types import SimpleNamespace

import pytest

from airflow_priority_spark.arbiter.asking import FRESH_SECONDS, AdmissionChains
from airflow_priority_spark.arbiter.configuration import Cluster
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.placeholding import PATIENCE_SECONDS, Placeholders
from airflow_priority_spark.cluster.modes import CapacityMode, parse_mode
from airflow_priority_spark.scheduling.model import HeadRules, Rules
from airflow_priority_spark.settings import CAPACITY_MODES, Settings
from airflow_priority_spark.spark.identity import LABEL_INSTANCE
from airflow_priority_spark.store.models import Cluster as ClusterRow
from tests.property.scheduling.builders import CLUSTER, cluster, demand, driver_only, job, pod, snapshot
from tests.unit.cluster.conftest import ScriptedApi

PODS, ROOM = "/api/v1/namespaces/team-a/pods", "/api/v1/namespaces/airflow/pods"
PROTECTION = 60.0


@pytest.fixture
def api():
    server = ScriptedApi()
    yield server
    server.close()


@pytest.fixture
def context(api):
    clusters = SimpleNamespace(connections={CLUSTER: api.connection})
    return Context(Settings(placeholder_namespace="airflow"), clusters, "ours", {}, "arbiter")


@pytest.fixture
def chains(context):
    chains = AdmissionChains(context, lambda: None)
    yield chains
    chains.close()


@pytest.fixture
def placeholders(context):
    placeholders = Placeholders(context, lambda: None)
    yield placeholders
    placeholders.close()


@pytest.mark.parametrize("mode", CAPACITY_MODES)
def test_every_mode_may_be_a_clusters_own(mode):
    assert Cluster.model_validate({"mode": mode}).mode == mode
    assert len(mode) <= ClusterRow.__table__.c.mode.type.length
    assert parse_mode(mode) == CapacityMode(
        mode.replace("+dry-run", "").replace("+placeholder", ""), "dry-run" in mode, "placeholder" in mode
    )


def test_no_cycle_waits_for_a_slow_admission_chain(api, chains):
    api.on(PODS, lambda request: request.hang())
    wanted = job("a", driver_only())
    began = time.monotonic()

    chains.ask([wanted], 0.0)

    assert time.monotonic() - began < 2.0
    assert chains.verdict(wanted, 0.0).detail == "dry run of a driver pod: it has not answered yet"


def test_jobs_of_one_make_share_one_question_as_long_as_the_answer_is_fresh(api, chains):
    api.on(PODS, lambda request: request.reply({}, 201))
    jobs = [job(name, demand(3)) for name in "abc"]

    chains.ask(jobs, 0.0)
    chains.ask(jobs, FRESH_SECONDS - 1)
    assert len(api.requests) == 2, "one for the driver, one for the executors"
    assert [chains.verdict(each, 1.0) for each in jobs] == [None] * 3

    chains.ask(jobs, FRESH_SECONDS + 1)
    assert len(api.requests) == 4


def test_a_refusal_is_shown_until_a_newer_answer_comes(api, chains):
    wanted = job("a", driver_only())
    api.on(PODS, lambda request: request.refuse(403, 'pods "x" is forbidden: no cost centre'))
    chains.ask([wanted], 0.0)

    later = FRESH_SECONDS + 1
    assert chains.verdict(wanted, later).detail == "a driver pod would be refused: no cost centre"
    assert chains.refusal(wanted, later) is None, "it is asked again"


def made(api):
    return [path for method, path, _ in api.requests if method == "POST"]


def removed(api):
    return sorted(path.rpartition("/")[2] for method, path, _ in api.requests if method == "DELETE")


def until(look):
    end = time.monotonic() + 10
    while not look():
        assert time.monotonic() < end
        time.sleep(0.01)


def held(job_id, name, node=None, **fields):
    labels = ((LABEL_INSTANCE, "ours"),)
    options = {"job_id": job_id, "pod_set": "driver", "placeholder": True, "labels": labels, **fields}
    return pod(name, node, namespace="airflow", **options)


def picture(*pods):
    rules = Rules(head_rules=HeadRules(protection_seconds=PROTECTION))
    return snapshot(cluster(pods=pods, placeholders=True), [], rules=rules)


def test_placeholders_are_ordered_once_while_the_watch_does_not_show_them_yet(api, placeholders):
    api.on(ROOM, lambda request: request.reply({"spec": {"priority": -5}}, 201))
    wanted = [job("a", driver_only())]

    for now in (0.0, 1.0, PATIENCE_SECONDS - 1):
        placeholders.keep(picture(), wanted, (), now)
        until(lambda: made(api))

    assert len(made(api)) == 1


def test_a_job_that_waits_long_for_nodes_takes_the_placeholders_of_those_behind_it(api, placeholders):
    for name in ("of-a", "of-b"):
        api.on(f"{ROOM}/{name}", lambda request: request.reply({}))
    api.on(ROOM, lambda request: request.refuse(409, "already exists"))
    first, second = job("a", driver_only(), at=1), job("b", driver_only(), at=2)
    now = picture(held("a", "of-a"), held("b", "of-b", "n1"))

    placeholders.keep(now, [first, second], (), 0.0)
    placeholders.keep(now, [first, second], (), PROTECTION - 1)
    assert removed(api) == []

    placeholders.keep(now, [first, second], (), PROTECTION + 1)
    until(lambda: removed(api) == ["of-b"])


def test_a_placeholder_that_was_evicted_makes_way_for_a_new_one(api, placeholders):
    api.on(f"{ROOM}/of-a", lambda request: request.reply({}))
    api.on(ROOM, lambda request: request.reply({"spec": {"priority": -5}}, 201))

    placeholders.keep(picture(held("a", "of-a", counts_node=False)), [job("a", driver_only())], (), 0.0)

    until(lambda: removed(api) == ["of-a"])
