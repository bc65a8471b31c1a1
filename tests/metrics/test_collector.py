# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told of a site."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import event

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.metrics.bounds import Bounds
from airflow_priority_spark.metrics.catalogue import BY_KEY, CATALOGUE, FROM_THE_START
from airflow_priority_spark.metrics.collector import SiteCollector
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store import queue_reads, tallies
from airflow_priority_spark.store.leadership import Leadership
from tests.metrics.conftest import later
from tests.store.rows import make_job

#: Written by the leader from what it measures, not from rows; see test_measuring.
MEASURED = {
    "admission_attempts",
    "watch_restarts",
    "api_errors",
    "cycle_duration_seconds",
}


def test_every_metric_of_the_catalogue_has_a_sample(site, scrape):
    found = {family.name for family in scrape().families if family.samples}
    assert found == {f"priority_spark_{m.key}" for m in CATALOGUE if m.key not in MEASURED}


def test_waiting_jobs_by_status_and_blocking_resource(site, scrape):
    found = scrape()
    assert found("pending_jobs", pool="high", status="blocked", blocking_resource="cpu") == 1
    assert found("pending_jobs", pool="high", status="active") == 1
    assert found("pending_jobs", pool="normal", status="held") == 1
    assert found("admitted_active_jobs", pool="normal") == 2
    assert found("running_jobs", pool="normal") == 1
    assert found("oldest_unstarted_admission_seconds", pool="normal") == 190


def test_the_head_says_how_old_it_is_and_what_it_lacks_in_base_units(site, scrape):
    found = scrape()
    assert found("head_age_seconds", pool="high") == 200
    assert found("head_blocked_seconds", pool="high") == 120
    assert found("head_missing", pool="high", resource="cpu") == 2.5


def test_quotas_are_those_that_the_rest_api_shows(site, scrape):
    found = scrape()
    assert found("quota_hard", resource="requests.cpu") == 6
    assert found("quota_used", resource="requests.cpu") == 1.5
    granted, free = (
        found("quota_granted", resource="requests.cpu"),
        found("quota_free", resource="requests.cpu"),
    )
    assert granted > 0
    assert free == max(0, 6 - 1.5 - granted)
    assert found("quota_hard", resource="requests.memory") == 2**33


def test_usage_adds_up_to_what_is_granted(site, scrape):
    found = scrape()
    granted = found("quota_granted", resource="requests.cpu")
    assert sum(found.all("usage", resource="cpu").values()) == granted
    assert sum(found.all("job_usage", resource="cpu").values()) == granted
    assert {dict(key)["team"] for key in found.all("usage", resource="cpu")} == {"blue", ""}


def test_a_grant_of_an_ended_job_shows_as_such(site, scrape):
    assert scrape()("ended_grants") == 1
    assert scrape()("oldest_ended_grant_seconds") == 50


def test_the_arbiter_and_the_picture_say_how_fresh_they_are(site, scrape):
    found = scrape()
    assert found("arbiter_leading") == 1
    assert found("arbiter_last_cycle_age_seconds") == 2
    assert found("snapshot_age_seconds") == 10
    assert found("leader_changes_total") == 1
    assert scrape(now=later(300))("arbiter_leading") == 0


def test_the_first_starved_job_of_a_pool_is_a_step_from_0_to_1(site, scrape):
    found = scrape()
    assert found("starved_jobs_total", pool="high") == 0
    assert found("starved_jobs_total", pool="normal") == 1
    assert found("timeouts_total", pool="high", cause="head-timeout") == 0
    assert found("timeouts_total", pool="normal", cause="queue-timeout") == 1
    assert found("finished_jobs_total", pool="high", outcome="failed") == 0
    assert found("failed_cycles_total") == 0


def test_every_counter_that_says_0_has_the_labels_of_the_catalogue():
    for key, further in FROM_THE_START.items():
        for more in further:
            assert len(BY_KEY[key].labels) in {len(more) + 3, 0}, key


def test_two_exporters_agree_with_each_other_and_with_the_queue_list(site, scrape, session):
    first, second = scrape(), scrape()
    assert first.steady() == second.steady()
    [queue] = queue_reads.list_queues(session, later(200))
    for pool in queue.pools:
        waiting = sum(first.all("pending_jobs", pool=pool.name).values())
        assert waiting == pool.length + pool.held
        assert sum(first.all("admitted_active_jobs", pool=pool.name).values()) == pool.active


def test_another_leader_changes_no_counter_and_counts_nothing_twice(site, scrape, database):
    """Two arbiters settle in turn, the second after the first was killed."""
    before = scrape().steady()
    for holder, at in (("host/1", 196), ("host/2", 300)):
        leader = Leadership(database.session, holder, lambda at=at: later(at), 10)
        assert leader.acquire()
        with leader.transaction() as session:
            tallies.settle(session)
    after = scrape().steady()
    changed = {key for key in before if before[key] != after[key]}
    assert {name for name, _ in changed} == {"priority_spark_leader_changes_total"} | {
        name for name, _ in changed if "arbiter_" in name
    }


def test_the_number_of_statements_does_not_depend_on_the_number_of_jobs(site, scrape, database, session):
    def statements() -> int:
        seen = []
        event.listen(database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        scrape()
        return len([text for text in seen if text.startswith("SELECT")])

    before = statements()
    for _ in range(50):
        make_job(session, site, pool="normal")
    session.commit()
    assert statements() == before == 7


def test_beyond_the_largest_everything_is_other_and_sums_stay_right(site, scrape):
    whole, bounded = scrape(), scrape(Bounds(top=1))
    for resource in ("cpu", "memory"):
        values = bounded.all("usage", resource=resource)
        assert sum(values.values()) == sum(whole.all("usage", resource=resource).values())
        assert len({dict(key)["dag_id"] for key in values} - {"other"}) == 1
    assert len(bounded.all("job_usage", resource="cpu")) == 1


def test_a_label_that_is_off_is_empty_and_its_series_are_added_up(site, scrape):
    found = scrape(Bounds(labels=frozenset({"team"})))
    assert {dict(key)["pool"] for key in found.all("pending_jobs")} == {""}
    assert found("queued_jobs_total") == 7
    assert {dict(key)["dag_id"] for key in found.all("usage")} == {""}
    assert found.all("job_usage") == {}


def test_a_label_that_cannot_be_switched_is_refused_by_name():
    with pytest.raises(InvalidInput) as refusal:
        Bounds.of(Settings(metrics_labels="pool,user"))
    assert "metrics_labels" in str(refusal.value)
    assert "'user'" in str(refusal.value)
    assert "dag_id" in str(refusal.value)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_promtool_finds_nothing_wrong_with_the_text(site, database):
    registry = CollectorRegistry()
    registry.register(SiteCollector(database.session, Bounds(), lambda: later(200)))
    said = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_the_page_on_metrics_lists_exactly_those_of_the_catalogue():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(priority_spark_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", page, re.MULTILINE)
    assert [(name, kind, labels.replace("`", ""), text) for name, kind, labels, text in rows] == [
        (metric.name, metric.kind, ", ".join(metric.labels), metric.help) for metric in CATALOGUE
    ]
