# SPDX-License-Identifier: Apache-2.0
"""What the dashboards show: one row per panel.

Queries name the variables ``$cluster``, ``$namespace`` and ``$pool``. Every exporter says the same, so
series of several are merged with ``max without (instance, job, pod)`` before anything is added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    :param unit: Grafana's name of it.
    :param queries: PromQL and legend.
    :param kind: ``lines``, ``number`` or ``table``.
    :param link: where a value leads, below Airflow's address; Grafana puts in the value's labels.
    """

    title: str
    unit: str
    description: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "lines"
    link: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    prices: bool = False


_PLACE: Final = 'cluster=~"$cluster",namespace=~"$namespace"'
_LINE: Final = f'{_PLACE},pool=~"$pool"'


def _of(resource: str, labels: str = _LINE) -> str:
    """Return labels that choose a resource, which quotas may call ``requests.…``."""
    return f'{labels},resource=~"(requests.)?{resource}"'


#: The list of jobs that wait in a queue, in Airflow.
_WAITING: Final = (
    "/plugin/spark-queues?tab=waiting&namespace=${__field.labels.namespace}&pool=${__field.labels.pool}"
)
_CLUSTER: Final = 'cluster=~"$cluster"'
_FAILED: Final = f'{_LINE},outcome!="succeeded"'


def _now(name: str, labels: str = _LINE) -> str:
    return f"max without (instance, job, pod) (priority_spark_{name}{{{labels}}})"


def _rate(name: str, labels: str = _LINE) -> str:
    return f"max without (instance, job, pod) (increase(priority_spark_{name}{{{labels}}}[$__rate_interval]))"


def _share(part: str, whole: str) -> str:
    return f"sum({part}) / (sum({whole}) > 0) or vector(0)"


def _quantile(share: float, name: str, by: str = "namespace, pool") -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) ({_rate(name + '_bucket')}))"


def _hours(resource: str, by: str) -> str:
    """Return what was held, in hours of a core or of a byte, over the time shown: samples a minute apart."""
    held = f'max without (instance, job, pod) (priority_spark_usage{{{_LINE},resource="{resource}"}})'
    return f"sum by ({by}) (sum_over_time(({held})[$__range:1m])) / 60"


def _cost(by: str) -> str:
    return f"({_hours('cpu', by)}) * $cpu_price + ({_hours('memory', by)}) / 1073741824 * $memory_price"


_CYCLES: Final = _rate("cycle_duration_seconds_bucket", "")

OVERVIEW: Final = Page(
    "priority-spark-overview",
    "Priority Spark: overview",
    "What waits, what runs, and whether the arbiter works.",
    (
        Panel("Waiting", "short", "Jobs that wait.", ((f"sum({_now('pending_jobs')})", ""),), "number"),
        Panel(
            "Admitted",
            "short",
            "Admitted jobs that have not ended.",
            ((f"sum({_now('admitted_active_jobs')})", ""),),
            "number",
        ),
        Panel(
            "Running", "short", "Jobs whose driver runs.", ((f"sum({_now('running_jobs')})", ""),), "number"
        ),
        Panel(
            "Longest wait",
            "s",
            "Age of the job that has waited longest.",
            ((f"max({_now('oldest_wait_seconds')}) or vector(0)", ""),),
            "number",
        ),
        Panel(
            "Arbiter leads",
            "bool_yes_no",
            "An arbiter holds the lease.",
            ((_now("arbiter_leading", ""), ""),),
            "number",
        ),
        Panel(
            "Waiting by status",
            "short",
            "Blocked heads, jobs behind them, and jobs kept aside.",
            ((f"sum by (status) ({_now('pending_jobs')})", "{{status}}"),),
        ),
        Panel(
            "Jobs that came and ended",
            "short",
            "In each interval.",
            (
                (f"sum({_rate('queued_jobs_total')})", "came"),
                (f"sum by (outcome) ({_rate('finished_jobs_total')})", "{{outcome}}"),
            ),
        ),
    ),
)

QUEUES: Final = Page(
    "priority-spark-queues",
    "Priority Spark: queues and waits",
    "How long the lines are, what their heads wait for, and how long jobs waited.",
    (
        Panel(
            "Waiting by pool",
            "short",
            "Jobs that wait.",
            ((f"sum by (namespace, pool) ({_now('pending_jobs')})", "{{namespace}}/{{pool}}"),),
            link=_WAITING,
        ),
        Panel(
            "Waiting by blocking resource",
            "short",
            "Heads that capacity blocks, by what they lack.",
            ((f"sum by (blocking_resource) ({_now('pending_jobs')})", "{{blocking_resource}}"),),
        ),
        Panel(
            "Age of heads",
            "s",
            "How long the first eligible job has waited.",
            ((f"max by (namespace, pool) ({_now('head_age_seconds')})", "{{namespace}}/{{pool}}"),),
        ),
        Panel(
            "Heads blocked for",
            "s",
            "How long capacity has blocked the head.",
            ((f"max by (namespace, pool) ({_now('head_blocked_seconds')})", "{{namespace}}/{{pool}}"),),
            link=_WAITING,
        ),
        Panel(
            "What heads lack",
            "short",
            "Cores, bytes or numbers beyond what is free.",
            (
                (
                    f"max by (namespace, pool, resource) ({_now('head_missing')})",
                    "{{namespace}}/{{pool}} {{resource}}",
                ),
            ),
        ),
        Panel(
            "Wait in the queue",
            "s",
            "Median and 95th percentile of admissions.",
            (
                (_quantile(0.5, "queue_wait_seconds"), "50 % {{namespace}}/{{pool}}"),
                (_quantile(0.95, "queue_wait_seconds"), "95 % {{namespace}}/{{pool}}"),
            ),
        ),
        Panel(
            "Admission to running",
            "s",
            "95th percentile: Airflow's worker, Spark operator, driver pod.",
            ((_quantile(0.95, "admission_to_running_seconds"), "{{namespace}}/{{pool}}"),),
        ),
        Panel(
            "Admission attempts",
            "short",
            "Looks at jobs at the front, by result.",
            ((f"sum by (result) ({_rate('admission_attempts_total')})", "{{result}}"),),
        ),
    ),
)

CAPACITY: Final = Page(
    "priority-spark-capacity",
    "Priority Spark: capacity and usage",
    "What there is, what is used and by whom.",
    (
        Panel(
            "CPU of the quota",
            "cores",
            "Hard limit, used, granted and free.",
            tuple(
                (
                    f"sum by (namespace) ({_now('quota_' + word, _of('cpu', _PLACE))})",
                    f"{word} {{{{namespace}}}}",
                )
                for word in ("hard", "used", "granted", "free")
            ),
        ),
        Panel(
            "Memory of the quota",
            "bytes",
            "Hard limit, used, granted and free.",
            tuple(
                (
                    f"sum by (namespace) ({_now('quota_' + word, _of('memory', _PLACE))})",
                    f"{word} {{{{namespace}}}}",
                )
                for word in ("hard", "used", "granted", "free")
            ),
        ),
        Panel(
            "CPU by team",
            "cores",
            "What admitted jobs hold.",
            ((f"sum by (team) ({_now('usage', _of('cpu'))})", "{{team}}"),),
        ),
        Panel(
            "CPU by pool",
            "cores",
            "What admitted jobs hold.",
            ((f"sum by (namespace, pool) ({_now('usage', _of('cpu'))})", "{{namespace}}/{{pool}}"),),
        ),
        Panel(
            "Memory by DAG",
            "bytes",
            "What admitted jobs hold; beyond the largest: other.",
            ((f"sum by (dag_id) ({_now('usage', _of('memory'))})", "{{dag_id}}"),),
        ),
        Panel(
            "Jobs that hold most",
            "cores",
            "CPU of the largest jobs now.",
            ((f"topk(20, {_now('job_usage', _of('cpu', _PLACE))})", "{{dag_id}}.{{task_id}}"),),
            "table",
            link="/plugin/spark-queues?tab=admitted&job=${__data.fields.job_id}",
        ),
        Panel(
            "CPU by job",
            "cores",
            "What each of the largest jobs holds; a click leads to the job in Airflow.",
            ((_now("job_usage", _of("cpu", _PLACE)), "{{dag_id}}.{{task_id}}"),),
            link="/plugin/spark-queues?tab=admitted&job=${__field.labels.job_id}",
        ),
        Panel(
            "CPU of nodes",
            "cores",
            "What ready nodes have, and what pods on them ask for.",
            (
                (
                    f"sum by (cluster) ({_now('node_allocatable', _of('cpu', _CLUSTER))})",
                    "allocatable {{cluster}}",
                ),
                (
                    f"sum by (cluster) ({_now('node_requested', _of('cpu', _CLUSTER))})",
                    "requested {{cluster}}",
                ),
            ),
        ),
    ),
)

OUTCOMES: Final = Page(
    "priority-spark-outcomes",
    "Priority Spark: outcomes",
    "How jobs end, and why they fail.",
    (
        Panel(
            "Success rate",
            "percentunit",
            "Of the jobs that ended.",
            (
                (
                    _share(
                        _rate("finished_jobs_total", _LINE + ',outcome="succeeded"'),
                        _rate("finished_jobs_total"),
                    ),
                    "",
                ),
            ),
            "number",
        ),
        Panel(
            "Retry rate",
            "percentunit",
            "Jobs that came after an earlier attempt, of all that came.",
            ((_share(_rate("retried_jobs_total"), _rate("queued_jobs_total")), ""),),
            "number",
        ),
        Panel(
            "Ends by outcome",
            "short",
            "In each interval.",
            ((f"sum by (outcome) ({_rate('finished_jobs_total')})", "{{outcome}}"),),
        ),
        Panel(
            "Failures by cause",
            "short",
            "In each interval.",
            ((f"sum by (cause) ({_rate('finished_jobs_total', _FAILED)}) or vector(0)", "{{cause}}"),),
        ),
        Panel(
            "Returned to the queue",
            "short",
            "Admitted jobs that came back, by cause.",
            ((f"sum by (cause) ({_rate('rescheduled_jobs_total')}) or vector(0)", "{{cause}}"),),
        ),
        Panel(
            "Timeouts and starved jobs",
            "short",
            "In each interval.",
            (
                (f"sum by (cause) ({_rate('timeouts_total')}) or vector(0)", "{{cause}}"),
                (f"sum({_rate('starved_jobs_total')}) or vector(0)", "starved"),
            ),
        ),
        Panel(
            "Run time",
            "s",
            "Median by outcome.",
            ((_quantile(0.5, "run_seconds", "outcome"), "{{outcome}}"),),
        ),
    ),
)

ARBITER: Final = Page(
    "priority-spark-arbiter",
    "Priority Spark: arbiter",
    "Whether decisions are made, how fast, and from how fresh a picture.",
    (
        Panel(
            "Leads",
            "bool_yes_no",
            "An arbiter holds the lease.",
            ((_now("arbiter_leading", ""), ""),),
            "number",
        ),
        Panel(
            "Last cycle",
            "s",
            "Since the last cycle that was recorded.",
            ((_now("arbiter_last_cycle_age_seconds", ""), ""),),
            "number",
        ),
        Panel(
            "Changes of leader",
            "short",
            "In each interval.",
            ((_rate("leader_changes_total", ""), "changes"),),
        ),
        Panel(
            "Duration of cycles",
            "s",
            "Median and 99th percentile.",
            tuple(
                (
                    f"histogram_quantile({share}, sum by (le) ({_CYCLES}))",
                    f"{share:.0%}",
                )
                for share in (0.5, 0.99)
            ),
        ),
        Panel(
            "Age of pictures",
            "s",
            "Of each cluster.",
            ((_now("snapshot_age_seconds", 'cluster=~"$cluster"'), "{{cluster}}"),),
        ),
        Panel(
            "Watches and errors",
            "short",
            "Watches that began anew, requests without an answer, failed cycles.",
            (
                (
                    f"sum by (kind) ({_rate('watch_restarts_total', _CLUSTER)}) or vector(0)",
                    "restart {{kind}}",
                ),
                (f"sum by (kind) ({_rate('api_errors_total', _CLUSTER)}) or vector(0)", "error {{kind}}"),
                (f"{_rate('failed_cycles_total', '')} or vector(0)", "failed cycles"),
            ),
        ),
        Panel(
            "Scrape",
            "s",
            "How long it took to collect all metrics.",
            ((_now("scrape_duration_seconds", ""), "seconds"),),
        ),
    ),
)

COST: Final = Page(
    "priority-spark-cost",
    "Priority Spark: cost",
    "Hours of cores and memory that jobs held, and their price. Samples a minute apart: a job of seconds is "
    "met by chance, many of them on average.",
    (
        Panel(
            "Core hours by namespace",
            "short",
            "Over the time shown.",
            ((_hours("cpu", "namespace"), "{{namespace}}"),),
            "table",
        ),
        Panel(
            "Memory hours by namespace",
            "bytes",
            "Bytes times hours, over the time shown.",
            ((_hours("memory", "namespace"), "{{namespace}}"),),
            "table",
        ),
        Panel(
            "Cost by namespace",
            "currencyUSD",
            "Core hours and GiB hours at the prices above.",
            ((_cost("namespace"), "{{namespace}}"),),
            "table",
        ),
        Panel("Cost by team", "currencyUSD", "Likewise.", ((_cost("team"), "{{team}}"),), "table"),
        Panel(
            "Cost by DAG",
            "currencyUSD",
            "Likewise; DAGs beyond the largest: other.",
            ((_cost("dag_id"), "{{dag_id}}"),),
            "table",
        ),
    ),
    prices=True,
)

PAGES: Final = (OVERVIEW, QUEUES, CAPACITY, OUTCOMES, ARBITER, COST)
