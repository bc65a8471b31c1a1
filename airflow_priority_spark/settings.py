# SPDX-License-Identifier: Apache-2.0
"""Typed configuration: the ``[priority_spark]`` section of ``airflow.cfg``.

One dataclass field per option; its metadata is the documentation that the provider info shows in
``airflow config list`` and the docs. Values are read when asked for, never at import: every Airflow
process imports this package. An option that cannot be right stops the process that reads it with
the option's name, the value and what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.settings_metrics import MetricsSettings
from airflow_priority_spark.settings_metrics import option as _option

SECTION: Final = "priority_spark"
VERSION_ADDED: Final = "0.1.0"
#: What is checked, and what is asked besides; read by ``cluster.modes``.
CAPACITY_MODES: Final = tuple(
    base + dry_run + placeholder
    for dry_run in ("", "+dry-run")
    for placeholder in ("", "+placeholder")
    for base in ("auto", "quota", "quota+nodes")
)


class _Source(Protocol):
    """Anything that answers like Airflow's ``conf.get``."""

    def get(self, section: str, key: str, *, fallback: Any = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Settings(MetricsSettings):
    """Every option of ``[priority_spark]``; times are seconds."""

    arbiter: str = _option(
        "scheduler",
        "Who runs the arbiter: ``scheduler`` (each scheduler supervises one arbiter process), ``standalone`` "
        "(run ``airflow priority-spark arbiter`` yourself) or ``off`` (Airflow pools only: every task goes "
        "straight to the cluster).",
        allowed=("scheduler", "standalone", "off"),
    )
    deployment_flow: str = _option(
        "priority",
        "Flow of tasks that do not name one: ``priority`` waits in the queue, ``observe`` records what would "
        "have happened and starts at once, ``legacy`` goes straight to the cluster.",
        allowed=("priority", "observe", "legacy"),
    )
    default_priority: str = _option("normal", "Priority pool of tasks that do not name one.")
    priority_pools: str = _option(
        "high:90,normal:10",
        "Priority pools of a new queue, as ``name:weight`` separated by commas.",
        example="urgent:70,high:20,normal:10",
    )
    more_priorities: str = _option(
        "",
        "Names of priority pools besides those of ``priority_pools``, separated by commas, that some queues "
        "have. A task of any other priority fails at once; ``*`` lets the arbiter alone judge.",
        example="nightly,backfill",
    )
    poll_interval_seconds: float = _option(
        1.0, "Longest time between two cycles of the arbiter.", minimum=0.05
    )
    lease_seconds: float = _option(
        4.0,
        "A leader that has not renewed its lease for this long is replaced by another arbiter.",
        minimum=1,
    )
    batch_size: int = _option(20, "At most so many admissions per cycle and cluster.", minimum=1)
    head_protection_seconds: float = _option(
        300.0, "A head blocked longer than this holds back what else needs its blocking resource.", minimum=0
    )
    head_timeout_seconds: float = _option(
        3600.0,
        "A head that capacity has blocked for this long is tried again, cancelled or held; 0: it waits for "
        "ever. Like every rule for heads, a queue and a pool may have their own.",
        minimum=0,
    )
    head_retry_count: int = _option(
        0, "How many times the clock of a head that has timed out begins again.", minimum=0
    )
    head_retry_position: str = _option(
        "keep",
        "Where a head that is tried again waits: it may ``keep`` its position, or goes to the ``tail`` of "
        "its pool.",
        allowed=("keep", "tail"),
    )
    head_timeout_action: str = _option(
        "cancel",
        "What happens to a head that has timed out and has no retry left: ``cancel`` it, or ``hold`` it for "
        "a person to requeue or cancel.",
        allowed=("cancel", "hold"),
    )
    retry_on_cancel: bool = _option(
        False, "A task whose waiting job was cancelled may use its Airflow retries; else it fails for good."
    )
    job_limit: int = _option(
        0, "At most so many jobs of the whole site are admitted at a time; 0: any number.", minimum=0
    )
    job_limit_per_user: int = _option(
        0,
        "At most so many jobs of one user (who triggered the DAG run) are admitted at a time; later jobs of "
        "others pass those beyond. 0: any number.",
        minimum=0,
    )
    job_limit_per_service: int = _option(
        0, "Likewise of one service; see ``service_tag_prefix``. 0: any number.", minimum=0
    )
    job_limit_per_user_service: int = _option(
        0, "Likewise of one user in one service. 0: any number.", minimum=0
    )
    service_tag_prefix: str = _option(
        "service:",
        "A DAG belongs to the service that its first tag (by name) with this prefix names, for limits per "
        "service. Empty: no DAG has a service.",
    )
    fail_impossible: bool = _option(
        True, "Fail a job at once when no state of its queue could ever satisfy its demand."
    )
    admission_valid_seconds: float = _option(
        300.0,
        "How long an admission may wait for an Airflow worker before it is taken back; the task then returns "
        "to its position.",
        minimum=5,
    )
    settle_seconds: float = _option(
        7.0,
        "A task is resumed at the earliest so long after it has deferred, and only after its scheduler has "
        "sent a heartbeat since: Airflow fails a task that runs again before the scheduler has seen its "
        "worker end. A worker may notice that end only after ``[workers] min_heartbeat_interval`` (5); stay "
        "above it.",
        minimum=0,
    )
    unclaimed_seconds: float = _option(
        300.0, "A waiting task that no arbiter has claimed for this long says so in its log.", minimum=1
    )
    on_unclaimed: str = _option(
        "wait",
        "What an unclaimed task does then: ``wait`` (and go on saying so), ``fail``, or go ``legacy``.",
        allowed=("wait", "fail", "legacy"),
    )
    max_reschedules: int = _option(
        3, "How often a job whose admission proved stale returns to its position before it fails.", minimum=0
    )
    capacity_mode: str = _option(
        "auto",
        "What is checked: ``quota``, ``quota+nodes`` (every pod must also fit a node), or ``auto``: "
        "``quota+nodes`` on fixed nodes, ``quota`` on elastic ones. With ``+dry-run`` the API server's "
        "admission chain is asked about a pod of each job before it is admitted; with ``+placeholder`` pause "
        "pods in the arbiter's own namespace find the nodes first, so that an autoscaler adds them. Both "
        "cost API calls for each admitted job.",
        allowed=CAPACITY_MODES,
    )
    placeholder_namespace: str = _option(
        "",
        "Where placeholders are made: the arbiter's own namespace, never one that jobs run in, whose quota "
        "they would use. Empty: the namespace of the arbiter's pod.",
        example="airflow",
    )
    placeholder_priority_class: str = _option(
        "priority-spark-placeholder",
        "Priority class of placeholders. Its value must lie between -10 and -1: below that autoscalers add "
        "no nodes for them, above it pods of jobs could not take their place.",
    )
    placeholder_image: str = _option(
        "registry.k8s.io/pause:3.10", "Image of placeholders: a container that does nothing."
    )
    nodes: str = _option(
        "auto",
        "``fixed`` (the nodes are all there will be), ``elastic`` (an autoscaler adds nodes) or ``auto`` "
        "(look for an autoscaler; undetermined means elastic).",
        allowed=("auto", "fixed", "elastic"),
    )
    dynamic_allocation_reserve: str = _option(
        "initial",
        "How many executors a job with dynamic allocation reserves.",
        allowed=("initial", "min", "max"),
    )
    previous_attempt: str = _option(
        "adopt",
        "When Airflow replaced a lost attempt whose application still lives: ``adopt`` it or ``delete`` it "
        "and wait for its pods. Applications of cleared and retried attempts are always deleted.",
        allowed=("adopt", "delete"),
    )
    delete_orphans: bool = _option(
        False,
        "Delete applications of this installation that belong to no job. They are always reported.",
    )
    reconcile_interval_seconds: float = _option(
        5.0, "Time between two comparisons of jobs with task instances and applications.", minimum=0.2
    )
    learned_seconds: float = _option(
        30.0,
        "When Kubernetes has refused an admitted job for its quota, so long the quota counts as used at "
        "least as the refusal said, unless its own report changes.",
        minimum=0,
    )
    cleanup_enabled: bool = _option(
        True, "Delete what is older than ``retention_seconds``, in small batches."
    )
    cleanup_interval_seconds: float = _option(60.0, "Time between two batches of the clean-up.", minimum=1)
    retention_seconds: float = _option(
        2_592_000.0,
        "Finished jobs, events, pictures of clusters, audit rows and applications kept for debugging are "
        "deleted when they are older than this (30 days).",
        minimum=60,
    )
    stale_after_seconds: float = _option(
        30.0,
        "A cluster whose watches are out of step for this long admits nothing until they recover.",
        minimum=1,
    )
    queue_timeout_seconds: float = _option(
        0.0, "A job that has waited in the queue for this long is cancelled; 0: it waits for ever.", minimum=0
    )
    submission_timeout_seconds: float = _option(
        1800.0,
        "From an application's creation until its driver pod exists; beyond it the task fails. The Spark "
        "operator may lag by minutes when it has hundreds of applications. 0: no limit.",
        minimum=0,
    )
    driver_scheduling_timeout_seconds: float = _option(
        1800.0,
        "From a driver pod's creation until it runs; beyond it the task fails. 0: no limit.",
        minimum=0,
    )
    executor_readiness_timeout_seconds: float = _option(
        600.0,
        "How long executors of a running driver may find no node, or be refused by a quota, before the job "
        "counts as starved. 0: no limit.",
        minimum=0,
    )
    run_timeout_seconds: float = _option(
        0.0,
        "From a driver's start until the application has ended; beyond it the task fails. A task's "
        "``execution_timeout`` stands in where it has one. 0: no limit.",
        minimum=0,
    )
    on_starvation: str = _option(
        "warn",
        "What happens to a starved job: ``warn`` in its log and go on, ``fail`` the task, or ``requeue``: "
        "delete the application and return to its position in the queue.",
        allowed=("warn", "fail", "requeue"),
    )
    keep_on_failure: bool = _option(
        False, "Keep applications that have failed, for a look at them, until their time to live is over."
    )
    application_ttl_seconds: int = _option(
        259_200,
        "``timeToLiveSeconds`` of applications whose author has set none: the Spark operator deletes an "
        "ended application after so long, whatever became of Airflow. 0: never.",
        minimum=0,
    )
    protect_driver: bool = _option(
        True, "Mark driver pods so that node autoscalers (Karpenter, cluster-autoscaler) do not evict them."
    )
    driver_log_bytes: int = _option(
        16_777_216,
        "Bytes of a driver's log that are copied into the task log; what is beyond is cut, but for the "
        "last lines.",
        minimum=1024,
    )
    history_server_url: str = _option(
        "",
        "Address of an application in the Spark history server, for a link at the task. "
        "``{application_id}``, ``{namespace}`` and ``{name}`` are replaced.",
        example="https://spark-history.example.org/history/{application_id}/jobs/",
    )
    spark_ui_url: str = _option(
        "",
        "Address of a running application's Spark UI, for a link at the task. ``{namespace}`` and ``{name}`` "
        "are replaced.",
        example="https://spark.example.org/{namespace}/{name}/",
    )
    queue_url: str = _option(
        "",
        "Address of a view of the queue that a task waits in, for a link at the task. ``{namespace}`` and "
        "``{priority}`` are replaced.",
        example="https://grafana.example.org/d/queues?var-namespace={namespace}&var-pool={priority}",
    )


def load(source: _Source | None = None) -> Settings:
    """Read the configuration.

    :param source: answers like Airflow's ``conf``; Airflow's own by default.
    :raises InvalidInput: naming the option, the value and what is allowed.
    """
    if source is None:
        from airflow.configuration import conf

        source = conf
    values: dict[str, Any] = {}
    for option in fields(Settings):
        raw = source.get(SECTION, option.name, fallback=None)
        if raw is not None:
            values[option.name] = _read(option.name, str(raw).strip(), type(option.default), option.metadata)
    settings = Settings(**values)
    parse_pools(settings.priority_pools)
    return settings


_BOOLEANS: Final = {
    "true": True,
    "t": True,
    "1": True,
    "yes": True,
    "false": False,
    "f": False,
    "0": False,
    "no": False,
}


def _read(name: str, raw: str, kind: type, metadata: Mapping[str, Any]) -> Any:
    where = f"[{SECTION}] {name}"
    if kind is bool:
        if raw.lower() not in _BOOLEANS:
            raise InvalidInput(where, raw, "True or False")
        return _BOOLEANS[raw.lower()]
    if kind in (int, float):
        return _number(where, raw, kind, metadata["minimum"])
    if metadata["allowed"] and raw not in metadata["allowed"]:
        raise InvalidInput(where, raw, ", ".join(metadata["allowed"]))
    return raw


def _number(where: str, raw: str, kind: Callable[[str], float], minimum: float | None) -> float:
    word = "a whole number" if kind is int else "a number of seconds"
    floor = f" of at least {minimum:g}" if minimum is not None else ""
    try:
        value = kind(raw)
    except ValueError:
        raise InvalidInput(where, raw, word + floor) from None
    if math.isnan(value) or (minimum is not None and value < minimum):
        raise InvalidInput(where, raw, word + floor)
    return value


def parse_pools(text: str) -> dict[str, int]:
    """Read ``high:90,normal:10`` into ``{"high": 90, "normal": 10}``.

    :raises InvalidInput: naming the part that is wrong.
    """
    pools: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, weight = (piece.strip() for piece in part.partition(":"))
        if not name or not weight.isdigit() or int(weight) < 1 or name in pools:
            raise InvalidInput(
                f"[{SECTION}] priority_pools",
                part,
                "name:weight with a unique name and a weight of at least 1",
            )
        pools[name] = int(weight)
    if not pools:
        raise InvalidInput(f"[{SECTION}] priority_pools", text, "at least one name:weight")
    return pools


def known_priorities(settings: Settings) -> frozenset[str] | None:
    """Return the priorities that a task may name, ``None`` for any."""
    more = {piece.strip() for piece in settings.more_priorities.split(",")} - {""}
    return None if "*" in more else frozenset(parse_pools(settings.priority_pools).keys() | more)


def provider_options() -> dict[str, dict[str, Any]]:
    """Return the options in the form of Airflow's provider info."""
    kinds = {bool: "boolean", int: "integer", float: "float", str: "string"}
    return {
        option.name: {
            "description": _describe(option.metadata) + "\n",
            "version_added": VERSION_ADDED,
            "type": kinds[type(option.default)],
            "example": option.metadata["example"],
            # Airflow fills in templates in defaults; a brace stands for itself.
            "default": str(option.default).replace("{", "{{").replace("}", "}}"),
        }
        for option in fields(Settings)
    }


def _describe(metadata: Mapping[str, Any]) -> str:
    allowed = f" Allowed: {', '.join(metadata['allowed'])}." if metadata["allowed"] else ""
    return f"{metadata['description']}{allowed}"
