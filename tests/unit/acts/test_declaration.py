# SPDX-License-Identifier: Apache-2.0
"""What a declarative file makes of a site: whole what it names, nothing of what it does not."""

from __future__ import annotations

from dataclasses import fields

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.arbiter.actions import (
    Change,
    apply_declaration,
    declared,
    pause_queue,
    set_cluster,
    set_site,
)
from airflow_priority_spark.arbiter.configuration import Declaration
from airflow_priority_spark.cli.declaration_file import read_declaration
from airflow_priority_spark.errors import InvalidInput, NotFound
from airflow_priority_spark.settings import CAPACITY_MODES, Settings
from airflow_priority_spark.store.models import Queue
from airflow_priority_spark.store.site import SITE_KEYS, read_site
from tests.store.rows import CLUSTER
from tests.unit.acts.test_job_actions import refused

WHOLE = """
site: {batch_size: 50, job_limit_per_user: 10, head_timeout_seconds: 7200}
clusters:
  - {name: spark-prod, mode: quota+nodes, nodes: fixed, job_limit: 100, node_maxima: {cpu: 400}}
queues:
  - cluster: spark-prod
    namespace: team-a
    weight: 2
    policy: strict
    capacity: {requests.cpu: 40, requests.memory: 160Gi}
    job_limit: 30
    head_timeout_action: hold
    pools:
      urgent: {weight: 200, job_limit: 2, allowed: {teams: [red]}, head_protection_seconds: 60}
      high: 90
      normal: 10
rules:
  - {pool: high, dag_ids: ["payroll_*"]}
  - {pool: urgent, tags: [sla], teams: [red], namespace: team-a}
"""


def read(text: str) -> Declaration:
    return read_declaration(text, "queues.yaml")


def there(office) -> dict:
    with office.database.session() as session:
        return declared(session).given()


def test_a_site_becomes_what_the_file_says_and_then_stays_so(office):
    office.queue()
    changes = office.act(apply_declaration, read(WHOLE))
    assert Change("queue spark-prod/team-a", "policy", "weighted", "strict") in changes
    assert Change("site", "batch_size", None, 50) in changes
    assert Change("rule 1", "", None, {"pool": "high", "dag_ids": ["payroll_*"]}) in changes
    assert there(office) == read(WHOLE).given()
    assert office.act(apply_declaration, read(WHOLE)) == ()


def test_the_export_of_a_site_applied_to_it_changes_nothing(office):
    office.queue()
    office.queue("team-b")
    office.act(apply_declaration, read(WHOLE))
    exported = yaml.safe_dump(there(office), sort_keys=False)
    assert office.act(apply_declaration, read(exported)) == ()


def test_what_a_file_does_not_name_stays(office):
    office.queue("team-b")
    office.queue()
    office.act(apply_declaration, read(WHOLE))
    before = there(office)
    assert office.act(apply_declaration, read("")) == ()
    one = "queues: [{cluster: spark-prod, namespace: team-b, weight: 5}]"
    assert office.act(apply_declaration, read(one)) == (Change("queue spark-prod/team-b", "weight", 1, 5),)
    after = there(office)
    assert [after[part] for part in ("site", "clusters", "rules")] == [
        before[part] for part in ("site", "clusters", "rules")
    ]
    assert after["queues"][0] == before["queues"][0]


def test_a_key_that_is_left_out_goes_back_to_its_default(office):
    office.queue()
    office.act(apply_declaration, read(WHOLE))
    bare = "site: {}\nclusters: [{name: spark-prod}]\nqueues: [{namespace: team-a}]\nrules: []\n"
    office.act(apply_declaration, read(bare))
    left = there(office)
    assert left["queues"][0]["pools"]["urgent"]["weight"] == 200  # pools were not named
    assert {**left["queues"][0], "pools": None} == {
        "namespace": "team-a",
        "cluster": "spark-prod",
        "pools": None,
    }
    assert (left["clusters"], left["rules"], left["site"]) == ([{"name": "spark-prod"}], [], {})


def test_a_pool_that_is_left_out_of_a_queues_pools_is_removed(office):
    office.queue()
    changes = office.act(apply_declaration, read("queues: [{namespace: team-a, pools: {all: 1}}]"))
    assert {change.where: change.after for change in changes} == {
        "pool spark-prod/team-a/all": {"weight": 1},
        "pool spark-prod/team-a/high": None,
        "pool spark-prod/team-a/normal": None,
    }


def test_a_pool_that_is_left_out_but_holds_jobs_stops_the_whole_file(office):
    office.job("a")
    before = there(office)
    said = refused(
        office, apply_declaration, read("queues: [{namespace: team-a, weight: 2, pools: {all: 1}}]")
    )
    assert said.startswith("pool spark-prod/team-a/normal holds 1 jobs that have not ended")
    assert there(office) == before


def test_a_queue_is_made_before_its_first_job_comes(office):
    office.queue()
    changes = office.act(apply_declaration, read("queues: [{namespace: new, pools: {a: 3, b: {weight: 1}}}]"))
    assert changes == (Change("queue spark-prod/new", "", None, {"pools": {"a": 3, "b": 1}}),)
    office.act(apply_declaration, read("queues: [{namespace: newer}]"))
    assert there(office)["queues"][1]["pools"] == {"high": {"weight": 90}, "normal": {"weight": 10}}


def test_a_paused_queue_stays_paused_whatever_a_file_says(office):
    queue = office.queue()
    office.act(pause_queue, queue)
    office.act(apply_declaration, read(WHOLE))
    with office.database.session() as session:
        assert session.get_one(Queue, queue).paused
    assert "paused" not in str(there(office))


def test_where_several_clusters_are_known_a_queue_must_say_its_own(office):
    office.queue()
    office.queue(cluster="spark-test")
    said = refused(office, apply_declaration, read("queues: [{namespace: x}]"), error=InvalidInput)
    assert said == (
        "queues[0].cluster: None is not valid; "
        "allowed: the name of the cluster of queue x (spark-prod, spark-test)"
    )


def test_where_no_cluster_is_known_a_queue_must_say_its_own(office):
    said = refused(office, apply_declaration, read("queues: [{namespace: x}]"), error=InvalidInput)
    assert said.endswith("allowed: the name of the cluster of queue x (none is known yet)")


def test_an_unknown_cluster_says_which_are_known_and_how_one_gets_known(office):
    office.queue()
    said = refused(office, apply_declaration, read("clusters: [{name: moon}]"), error=NotFound)
    assert said == (
        "no cluster is called 'moon'; known clusters: spark-prod. A cluster gets known, by the id of its "
        "Airflow connection, when a job or a declarative file first names that connection"
    )


def test_a_cluster_may_be_named_by_its_id_as_well(office):
    office.queue()
    text = f"clusters: [{{name: {CLUSTER}, job_limit: 7}}]"
    assert office.act(apply_declaration, read(text)) == (Change("cluster spark-prod", "job_limit", None, 7),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "queues: [{namespace: team-a}, {cluster: spark-prod, namespace: team-a}]",
            "queues[1].namespace: 'team-a' is not valid; "
            "allowed: what no other part names; queues[0].namespace is the same",
        ),
        (
            f"clusters: [{{name: spark-prod}}, {{name: {CLUSTER}}}]",
            f"clusters[1].name: '{CLUSTER}' is not valid; "
            "allowed: what no other part names; clusters[0].name is the same",
        ),
    ],
)
def test_what_is_named_twice_in_other_words_is_refused(office, text, says):
    office.queue()
    assert refused(office, apply_declaration, read(text), error=InvalidInput) == says


def test_every_part_is_audited_with_its_reason(office):
    office.queue()
    office.act(apply_declaration, read(WHOLE), reason="queues.yaml")
    assert {audit.target_type for audit in office.audits()} == {"cluster", "queue", "pool", "rules", "site"}
    assert {audit.reason for audit in office.audits()} == {"queues.yaml"}


def test_settings_of_the_site_stand_before_the_configuration_until_they_are_taken_back(office):
    office.act(set_site, {"batch_size": 7, "job_limit": 3})
    with office.database.session() as session:
        assert (read_site(session, Settings()).batch_size, read_site(session, Settings()).job_limit) == (7, 3)
    assert office.act(set_site, {"batch_size": None}) == (Change("site", "batch_size", 7, None),)
    with office.database.session() as session:
        assert read_site(session, Settings()).batch_size == Settings().batch_size


def test_every_setting_that_the_tables_may_hold_can_be_set_and_is_an_option_too():
    assert set(configuration.Site.model_fields) == set(SITE_KEYS)
    assert set(SITE_KEYS) <= {option.name for option in fields(Settings)}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mode": "nodes"}, f"mode: 'nodes' is not valid; allowed: {', '.join(CAPACITY_MODES)}"),
        ({"nodes": "some"}, "nodes: 'some' is not valid; allowed: auto, fixed, elastic"),
    ],
)
def test_a_wrong_setting_of_a_cluster_is_refused(office, values, says):
    office.queue()
    assert refused(office, set_cluster, CLUSTER, values, error=InvalidInput) == (
        f"cluster spark-prod: {says}"
    )


HEADS = {
    "head_timeout_seconds": st.integers(0, 9999),
    "head_retry_count": st.integers(0, 3),
    "head_retry_position": st.sampled_from(["keep", "tail"]),
    "head_timeout_action": st.sampled_from(["cancel", "hold"]),
    "head_protection_seconds": st.integers(0, 999),
    "job_limit": st.integers(1, 99),
}
NAMES = st.lists(st.sampled_from(["red", "blue*", "etl_?"]), max_size=2)
POOL = st.fixed_dictionaries(
    {"weight": st.integers(1, 100)},
    optional={
        **HEADS,
        "allowed": st.fixed_dictionaries({}, optional={"teams": NAMES, "dag_ids": NAMES, "tags": NAMES}),
    },
)
QUEUE = st.fixed_dictionaries(
    {"pools": st.dictionaries(st.sampled_from("abcd"), POOL, min_size=1)},
    optional={
        **HEADS,
        "weight": st.integers(1, 9),
        "policy": st.sampled_from(["weighted", "strict"]),
        "capacity": st.just({"requests.cpu": 40}),
    },
)
RULE = st.fixed_dictionaries(
    {"pool": st.sampled_from("ab")}, optional={"dag_ids": NAMES, "teams": NAMES, "bundles": NAMES}
)
DOCUMENT = st.fixed_dictionaries(
    {
        "queues": st.dictionaries(st.sampled_from(["team-a", "team-b"]), QUEUE, min_size=1).map(
            lambda queues: [{"namespace": name, **queue} for name, queue in queues.items()]
        )
    },
    optional={
        "site": st.fixed_dictionaries({}, optional={**HEADS, "batch_size": st.integers(1, 99)}),
        "rules": st.lists(RULE, max_size=3),
    },
)


@pytest.mark.parametrize("database_kind", ["sqlite"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENT)
def test_whatever_a_file_says_becomes_so_and_its_export_changes_nothing(office, document):
    office.queue()
    wanted = read(yaml.safe_dump(document))
    office.act(apply_declaration, wanted)
    assert office.act(apply_declaration, wanted) == ()
    exported = there(office)
    assert office.act(apply_declaration, read(yaml.safe_dump(exported))) == ()
    by_name = {queue["namespace"]: queue for queue in exported["queues"]}
    for queue in wanted.given()["queues"]:
        assert by_name[queue["namespace"]] == {**queue, "cluster": "spark-prod"}
