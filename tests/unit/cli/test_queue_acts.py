# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark queue show|pause|drain|resume|set``, ``pool …`` and ``pools sync``."""

import pytest
from airflow.models.pool import Pool as AirflowPool
from sqlalchemy import select

from airflow_priority_spark.store.models import Audit
from tests.store.rows import make_job, make_queue


def condition(airflow) -> str:
    return airflow.json("queue", "list")[0]["condition"]


def test_a_queue_is_paused_drained_and_opened_with_a_sentence(queue, airflow):
    assert airflow("queue", "pause", "team-a") == "Queue team-a is paused: jobs come in, none is admitted.\n"
    assert condition(airflow) == "paused"
    assert airflow("queue", "drain", "team-a", "--reason", "upgrade") == (
        "Queue team-a drains: what waits is admitted, what is new is held.\n"
    )
    assert condition(airflow) == "draining"
    assert airflow("queue", "resume", "team-a") == (
        "Queue team-a is open; jobs that it held while it drained come into line again.\n"
    )
    assert condition(airflow) == "open"


def test_what_a_queue_is_already_ends_with_its_own_code(queue, airflow):
    assert airflow.ends("queue", "resume", "team-a") == (
        4,
        "priority-spark: queue spark-prod/team-a is open already\n",
    )


def test_an_unknown_queue_ends_with_its_own_code(queue, airflow):
    assert airflow.ends("queue", "pause", "team-z") == (
        3,
        "priority-spark: there is no queue 'team-z'; queues: spark-prod/team-a\n",
    )


def test_where_two_clusters_have_the_queue_one_is_named(session, queue, airflow):
    make_queue(session, cluster="spark-test")
    session.commit()
    assert airflow.ends("queue", "pause", "team-a") == (
        1,
        "priority-spark: cluster: None is not valid; allowed: spark-prod, spark-test\n",
    )
    airflow("queue", "pause", "team-a", "--cluster", "spark-test")
    conditions = {row["cluster"]: row["condition"] for row in airflow.json("queue", "list")}
    assert conditions == {"spark-prod": "open", "spark-test": "paused"}


def test_settings_of_a_queue_are_changed_and_taken_back(queue, airflow):
    options = ["--weight", "3", "--capacity", "requests.cpu=40,pods=100", "--head-timeout-seconds", "600"]
    assert airflow("queue", "set", "team-a", *options).splitlines() == [
        "+ queue spark-prod/team-a: head_timeout_seconds: 600",
        "~ queue spark-prod/team-a: weight: 1 -> 3",
        "+ queue spark-prod/team-a: capacity: {requests.cpu: '40', pods: '100'}",
    ]
    shown = {row["setting"]: (row["value"], row["from"]) for row in settings_of(airflow)}
    assert shown["head_timeout_seconds"] == (600, "queue")
    assert shown["head_retry_count"] == (0, "[priority_spark]")
    assert shown["job_limit"] == (None, "none")
    back = ["--capacity", "default", "--head-timeout-seconds", "default"]
    assert airflow("queue", "set", "team-a", *back).splitlines() == [
        "- queue spark-prod/team-a: head_timeout_seconds: 600",
        "- queue spark-prod/team-a: capacity: {requests.cpu: '40', pods: '100'}",
    ]
    assert airflow("queue", "set", "team-a", "--weight", "3") == "Nothing changes.\n"


def settings_of(airflow) -> list[dict]:
    return airflow.json("queue", "show", "team-a")["settings"]


def test_a_setting_of_the_site_shows_as_such(queue, airflow, tmp_path):
    path = tmp_path / "queues.yaml"
    high = "{weight: 90, head_timeout_seconds: 5, allowed: {teams: [red]}}"
    queue = f"{{namespace: team-a, pools: {{high: {high}, normal: 10}}}}"
    path.write_text(f"site: {{head_timeout_seconds: 60}}\nqueues: [{queue}]")
    airflow("apply", "-f", str(path))
    rows = [(row["setting"], row["value"], row["from"]) for row in settings_of(airflow)]
    assert ("head_timeout_seconds", 60, "site") in rows
    assert ("head_timeout_seconds", 5, "pool high") in rows
    assert ("allowed", {"teams": ["red"]}, "pool high") in rows


def test_a_queue_is_shown_with_its_condition_its_pools_and_who_changed_it(session, queue, airflow):
    make_job(session, queue, pool="high", task_id="train")
    session.commit()
    airflow("queue", "pause", "team-a")
    shown = airflow.json("queue", "show", "team-a")
    assert (shown["condition"], shown["queued"], shown["held"]) == ("paused", 1, 0)
    assert shown["updated_by"].startswith("cli ")
    assert [(pool["pool"], pool["queued"], pool["head"]) for pool in shown["pools"]] == [
        ("high", 1, "etl/run-1/train"),
        ("normal", 0, None),
    ]
    table = airflow("queue", "show", "team-a", "-o", "plain")
    assert all(word in table for word in ("paused", "head_timeout_seconds", "[priority_spark]", "train"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--weight", "0"],
            "priority-spark: queue spark-prod/team-a: weight: 0 is not valid; "
            "allowed: a whole number of at least 1\n",
        ),
        (
            ["--head-timeout-action", "fail"],
            "priority-spark: queue spark-prod/team-a: head_timeout_action: 'fail' is not valid; "
            "allowed: cancel, hold\n",
        ),
    ],
)
def test_a_wrong_setting_is_refused(queue, airflow, options, says):
    assert airflow.ends("queue", "set", "team-a", *options) == (1, says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--job-limit", "many"], "argument --job-limit: invalid int value: 'many'"),
        (
            ["--capacity", "cpu"],
            "argument --capacity: 'cpu' is not KEY=QUANTITY,…, e.g. requests.cpu=40,pods",
        ),
        (
            ["--policy", "fair"],
            "argument --policy: invalid choice: 'fair' (choose from 'weighted', 'strict')",
        ),
        ([], "priority-spark: say what to set, e.g. --weight 2"),
    ],
)
def test_wrong_usage_says_what_to_write(queue, airflow, options, says):
    code, said = airflow.ends("queue", "set", "team-a", *options)
    assert code == 2
    assert says in said


def test_a_change_of_a_pool_says_what_to_change(queue, airflow):
    assert airflow.ends("pool", "set", "team-a", "high") == (
        2,
        "priority-spark: say what to set, e.g. --weight 20\n",
    )


def test_pools_are_added_changed_and_removed(queue, airflow):
    assert airflow("pool", "add", "team-a", "urgent", "--weight", "200", "--allow-team", "red") == (
        "+ pool spark-prod/team-a/urgent: {weight: 200, allowed: {teams: [red]}}\n"
    )
    assert airflow("pool", "set", "team-a", "urgent", "--weight", "150", "--allow-anyone").splitlines() == [
        "~ pool spark-prod/team-a/urgent: weight: 200 -> 150",
        "- pool spark-prod/team-a/urgent: allowed: {teams: [red]}",
    ]
    assert airflow("pool", "remove", "team-a", "urgent") == (
        "- pool spark-prod/team-a/urgent: {weight: 150}\n"
    )
    assert airflow.ends("pool", "remove", "team-a", "urgent") == (
        3,
        "priority-spark: queue spark-prod/team-a has no pool 'urgent'; its pools: high, normal\n",
    )
    assert airflow.ends("pool", "set", "team-a", "high")[0] == 2


def slots(session) -> dict[str, tuple[int, bool]]:
    session.rollback()
    rows = session.scalars(select(AirflowPool).where(AirflowPool.pool.startswith("spark.")))
    return {row.pool: (row.slots, row.include_deferred) for row in rows}


def test_without_an_arbiter_the_slots_of_a_queue_are_split_by_weight(session, queue, airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "off")
    rows = airflow.json("pools", "sync", "--slots", "20")
    assert rows == [
        {"airflow_pool": "spark.spark-prod.team-a.high", "before": -1, "slots": 18},
        {"airflow_pool": "spark.spark-prod.team-a.normal", "before": -1, "slots": 2},
    ]
    assert slots(session) == {
        "spark.spark-prod.team-a.high": (18, True),
        "spark.spark-prod.team-a.normal": (2, True),
    }
    airflow("queue", "set", "team-a", "--job-limit", "10")
    assert [row["slots"] for row in airflow.json("pools", "sync", "--slots", "20")] == [9, 1]
    assert airflow("pools", "sync", "--slots", "20") == "Nothing changes.\n"
    assert session.scalars(select(Audit.action)).all().count("sync") == 4


def test_with_an_arbiter_the_pools_have_no_limit_again(session, queue, airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "off")
    airflow("pools", "sync")
    assert slots(session)["spark.spark-prod.team-a.high"] == (14, True)
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "standalone")
    dry = airflow.json("pools", "sync", "--dry-run")
    assert slots(session)["spark.spark-prod.team-a.high"] == (14, True)
    assert airflow.json("pools", "sync") == dry
    assert set(slots(session).values()) == {(-1, False)}
