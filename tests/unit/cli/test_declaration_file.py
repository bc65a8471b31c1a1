# SPDX-License-Identifier: Apache-2.0
"""The declarative file: what is read, and the line of everything that is wrong."""

import pytest

from airflow_priority_spark.cli.declaration_file import read_declaration
from airflow_priority_spark.errors import InvalidFile


def refused(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        read_declaration(text, "queues.yaml")
    return str(caught.value).splitlines()


def test_a_file_is_read_with_its_short_forms():
    text = "queues: [{namespace: team-a, capacity: {requests.cpu: 20}, pools: {high: 90}}]"
    assert read_declaration(text, "queues.yaml").given() == {
        "queues": [
            {
                "namespace": "team-a",
                "capacity": {"requests.cpu": "20"},
                "pools": {"high": {"weight": 90}},
            }
        ]
    }


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n"])
def test_an_empty_file_declares_nothing(text):
    assert read_declaration(text, "queues.yaml").given() == {}


def test_every_wrong_line_is_named_with_its_key_its_value_and_what_is_allowed():
    text = """\
site:
  batchsize: 3
queues:
  - namespace: Team A
    weight: many
    capacity: {requests.cpu: 20, requests.memory: 4Gx}
    pools:
      high: 90
      low:
        weigth: 3
      -a: 3
  - policy: fair
    head_timeout_seconds: -4
rules:
  - [a]
  - {pool: high, dag_ids: ['']}
clusters: {name: a}
"""
    name = "at most 63 lower-case letters, digits and dashes, beginning and ending with a letter or digit"
    pool = (
        "the name of a priority pool, such as high or normal: at most 63 letters, digits, dashes, "
        "underscores and dots, beginning and ending with a letter or digit"
    )
    heads = (
        "head_protection_seconds, head_retry_count, head_retry_position, head_timeout_action, "
        "head_timeout_seconds"
    )
    limits = "job_limit, job_limit_per_service, job_limit_per_user, job_limit_per_user_service"
    quantity = "a Kubernetes quantity such as 500m, 2, 1.5, 1e3, 512Mi or 4Gi"
    assert refused(text) == [
        f"queues.yaml:2: site.batchsize: unknown key; allowed: batch_size, {heads}, {limits}",
        f"queues.yaml:4: queues[0].namespace: 'Team A' is not valid; allowed: {name}",
        "queues.yaml:5: queues[0].weight: 'many' is not valid; allowed: a whole number",
        f"queues.yaml:6: queues[0].capacity.requests.memory: '4Gx' is not valid; allowed: {quantity}",
        "queues.yaml:9: queues[0].pools.low.weight: missing",
        "queues.yaml:10: queues[0].pools.low.weigth: unknown key; "
        f"allowed: allowed, {heads}, job_limit, weight",
        f"queues.yaml:11: queues[0].pools.-a: '-a' is not valid; allowed: {pool}",
        "queues.yaml:12: queues[1].namespace: missing",
        "queues.yaml:12: queues[1].policy: 'fair' is not valid; allowed: weighted, strict",
        "queues.yaml:13: queues[1].head_timeout_seconds: -4 is not valid; "
        "allowed: a whole number of at least 0",
        "queues.yaml:15: rules[0]: ['a'] is not valid; allowed: a mapping of keys to values",
        "queues.yaml:16: rules[1].dag_ids[0]: '' is not valid; "
        "allowed: a text that is not empty; * and ? stand for any characters",
        "queues.yaml:17: clusters: {'name': 'a'} is not valid; allowed: a list",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- 1", "queues.yaml:1: the file: [1] is not valid; allowed: a mapping of keys to values"),
        ("rules: []\nrules: []", "queues.yaml:2: the key 'rules' stands here twice, first in line 1"),
        ("site:\n  <<: {a: 1}", "queues.yaml:2: merge keys (<<) are not read here; write the keys out"),
        ("? [a]\n: 1", "queues.yaml:1: a key must be a plain text"),
        ("&a [*a]", "queues.yaml:1: nested deeper than 20 levels"),
        (
            "queues:\n- namespace: a\n- {namespace: b}\n- namespace: a\n",
            "queues.yaml:4: queues[2]: declared already in line 2",
        ),
        ("clusters: [{name: a}, {name: a}]", "queues.yaml:1: clusters[1]: declared already in line 1"),
        (
            "queues: [{namespace: a, pools: {}}]",
            "queues.yaml:1: queues[0].pools: {} is not valid; allowed: one entry at least",
        ),
        (
            "rules: [{pool: 2026-01-01}]",
            "queues.yaml:1: rules[0].pool: datetime.date(2026, 1, 1) is not valid; allowed: a text",
        ),
        (
            "site: {batch_size: true}",
            "queues.yaml:1: site.batch_size: True is not valid; allowed: a whole number",
        ),
        (
            "site: {batch_size: 3000000000}",
            "queues.yaml:1: site.batch_size: 3000000000 is not valid; "
            "allowed: a whole number of at most 2147483647",
        ),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(text, says):
    assert refused(text) == [says]


@pytest.mark.parametrize(("text", "line"), [("a: [", 1), ("site:\n\tbatch_size: 2", 2), ("a: 'x\nb: 1", 2)])
def test_what_is_no_yaml_is_refused_with_its_line(text, line):
    [said] = refused(text)
    assert said.startswith(f"queues.yaml:{line}: not YAML: ")


def test_aliases_of_aliases_do_not_grow_without_end():
    text = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    [said] = refused(text)
    assert said.endswith("more than 200000 values")
