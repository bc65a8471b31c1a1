# SPDX-License-Identifier: Apache-2.0
"""The shape of the commands that change something; like ``definition``, it only describes."""

from __future__ import annotations

import argparse
from typing import Any, Final

from airflow.cli.cli_config import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ARG_YES,
    ActionCommand,
    Arg,
    lazy_load_command,
    parsedate,
    positive_int,
)

from airflow_priority_spark.spark.request import FLOWS

_COMMANDS: Final = "airflow_priority_spark.cli"
#: What a person writes to go back to what is inherited.
DEFAULT: Final = "default"
_OR_DEFAULT: Final = "; `default`: back to what is inherited"


def _or_default(kind: Any) -> Any:
    """Let an option be given the word ``default``, which becomes ``None``."""

    def read(text: str) -> Any:
        return None if text == DEFAULT else kind(text)

    read.__name__ = getattr(kind, "__name__", "value")
    return read


def _quantities(text: str) -> dict[str, str]:
    """Read ``requests.cpu=40,requests.memory=160Gi``."""
    pairs = [piece.partition("=") for piece in text.split(",")]
    if not all(key.strip() and value.strip() for key, _, value in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=QUANTITY,…, e.g. requests.cpu=40,pods=100")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _setting(flag: str, text: str, *, kind: Any = int, metavar: str = "N") -> Arg:
    """Describe an option that is only there when it is typed."""
    return Arg(
        (flag,), type=_or_default(kind), metavar=metavar, default=argparse.SUPPRESS, help=text + _OR_DEFAULT
    )


def _who(flag: str, text: str) -> Arg:
    return Arg((flag,), action="append", metavar="PATTERN", default=argparse.SUPPRESS, help=text)


ARG_REASON: Final = Arg(("--reason",), metavar="TEXT", help="Why; kept in the events and the audit")
ARG_JOB_ID: Final = Arg(("job_id",), help="Id of the job, as `job list` shows it")
ARG_JOB_IDS: Final = Arg(
    ("job_id",), nargs="*", metavar="JOB_ID", help="Ids of jobs, as `job list` shows them"
)
ARG_NAMESPACE: Final = Arg(("namespace",), help="The queue's Kubernetes namespace")
ARG_POOL: Final = Arg(("pool",), help="Name of the priority pool")
ARG_CLUSTER: Final = Arg(("--cluster",), help="Name of the cluster, where several have such a queue")
ARG_DRY_RUN: Final = Arg(("--dry-run",), action="store_true", help="Change nothing, only show what would be")
ARG_FOLLOW: Final = Arg(
    ("-f", "--follow"), action="store_true", help="Go on showing events until the job has ended"
)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds


#: Of commands that show what changes.
LIVE: Final = (
    Arg(("--watch",), action="store_true", help="Go on showing it, as it changes, until Ctrl-C"),
    Arg(
        ("--interval",),
        type=_seconds,
        default=2.0,
        metavar="SECONDS",
        help="With --watch: look so often (default: 2)",
    ),
)

JOB_FILTERS: Final = (
    Arg(("--namespace",), help="Only jobs bound for this Kubernetes namespace"),
    Arg(("--cluster",), help="Only jobs bound for the cluster of this name"),
    Arg(("--pool",), help="Only jobs of this priority pool"),
    Arg(("--dag-id",), help="Only jobs of this DAG"),
    Arg(("--user",), help="Only jobs of DAG runs that this user triggered"),
    Arg(("--team",), help="Only jobs of this team"),
    Arg(
        ("--blocking-resource",),
        metavar="RESOURCE",
        help="Only jobs blocked by this resource, e.g. memory",
    ),
)
_ACT: Final = (ARG_REASON, ARG_DRY_RUN, ARG_YES, ARG_OUTPUT, ARG_VERBOSE)

_HEAD_SETTINGS: Final = (
    _setting("--job-limit", "At most so many of its jobs are admitted at a time"),
    _setting("--head-timeout-seconds", "A head blocked by capacity for so long times out; 0: never"),
    _setting("--head-retry-count", "How many times the clock of a head that timed out begins again"),
    _setting("--head-retry-position", "Where such a head waits: keep or tail", kind=str, metavar="WHERE"),
    _setting("--head-timeout-action", "What happens after that: cancel or hold", kind=str, metavar="WHAT"),
    _setting("--head-protection-seconds", "A head blocked for so long is protected"),
)
_POOL_SETTINGS: Final = (
    Arg(("--weight",), type=int, metavar="N", default=argparse.SUPPRESS, help="Its share among the pools"),
    *_HEAD_SETTINGS,
    _who("--allow-team", "A team that may use the pool; * and ? stand for any characters"),
    _who("--allow-bundle", "A DAG bundle that may use it"),
    _who("--allow-dag-id", "A DAG that may use it"),
    _who("--allow-tag", "A tag whose DAGs may use it"),
    Arg(("--allow-anyone",), action="store_true", help="Anyone may use the pool"),
)


def _job(name: str, text: str, *further: Arg) -> ActionCommand:
    return ActionCommand(
        name=name,
        help=text,
        func=lazy_load_command(f"{_COMMANDS}.job_acts.{name}"),
        args=(ARG_JOB_IDS, *JOB_FILTERS, *further, *_ACT),
    )


JOB_COMMANDS: Final = (
    ActionCommand(
        name="explain",
        help="Say in sentences where a job is, what it waits for and what would help",
        func=lazy_load_command(f"{_COMMANDS}.job_story.explain"),
        args=(ARG_JOB_ID, *LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="events",
        help="Show what happened to a job",
        func=lazy_load_command(f"{_COMMANDS}.job_story.events"),
        args=(ARG_JOB_ID, ARG_FOLLOW, ARG_OUTPUT, ARG_VERBOSE),
    ),
    _job("hold", "Keep jobs aside until they are released"),
    _job(
        "release",
        "Let held jobs wait again, at the position they had; a filter leaves out those that timed out",
    ),
    _job(
        "requeue",
        "Give jobs that were held by their timeout another try",
        Arg(("--last",), action="store_true", help="At the end of their pool"),
    ),
    _job("cancel", "End waiting jobs; their tasks fail"),
    _job("legacy", "Let waiting jobs go straight to the cluster, whatever room there is"),
    _job(
        "priority",
        "Let waiting jobs wait in another priority pool",
        Arg(("--to",), required=True, metavar="POOL", help="The priority pool"),
    ),
    ActionCommand(
        name="move",
        help="Give a queued job another place in its priority pool",
        func=lazy_load_command(f"{_COMMANDS}.job_acts.move"),
        args=(
            ARG_JOB_ID,
            Arg(("--first",), action="store_true", help="Before all others"),
            Arg(("--last",), action="store_true", help="Behind all others"),
            Arg(("--before",), metavar="JOB_ID", help="Directly before this job"),
            Arg(("--after",), metavar="JOB_ID", help="Directly behind this job"),
            ARG_REASON,
            ARG_VERBOSE,
        ),
    ),
)


def _queue(name: str, text: str) -> ActionCommand:
    return ActionCommand(
        name=name,
        help=text,
        func=lazy_load_command(f"{_COMMANDS}.queue_acts.{name}"),
        args=(ARG_NAMESPACE, ARG_CLUSTER, ARG_REASON, ARG_VERBOSE),
    )


QUEUE_COMMANDS: Final = (
    ActionCommand(
        name="show",
        help="Show one queue: its settings and where they come from, its pools and what their heads wait for",
        func=lazy_load_command(f"{_COMMANDS}.queue_story.show"),
        args=(ARG_NAMESPACE, ARG_CLUSTER, *LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    _queue("pause", "Admit nothing any more; jobs go on coming in"),
    _queue("drain", "Admit what waits and hold what is new"),
    _queue("resume", "Open a queue that was paused or drained"),
    ActionCommand(
        name="set",
        help="Change settings of a queue",
        func=lazy_load_command(f"{_COMMANDS}.queue_acts.set_queue"),
        args=(
            ARG_NAMESPACE,
            ARG_CLUSTER,
            Arg(
                ("--weight",),
                type=int,
                metavar="N",
                default=argparse.SUPPRESS,
                help="Its share among the queues of the cluster",
            ),
            Arg(
                ("--policy",),
                choices=["weighted", "strict"],
                default=argparse.SUPPRESS,
                help="Whether pools take turns by weight, or higher ones always go first",
            ),
            _setting(
                "--capacity",
                "Declared capacity, e.g. requests.cpu=40,pods=100",
                kind=_quantities,
                metavar="KEY=QUANTITY,…",
            ),
            *_HEAD_SETTINGS,
            ARG_REASON,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
)
POOL_COMMANDS: Final = (
    ActionCommand(
        name="set",
        help="Change settings of a priority pool",
        func=lazy_load_command(f"{_COMMANDS}.queue_acts.set_pool"),
        args=(ARG_NAMESPACE, ARG_POOL, ARG_CLUSTER, *_POOL_SETTINGS, ARG_REASON, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="add",
        help="Give a queue one more priority pool",
        func=lazy_load_command(f"{_COMMANDS}.queue_acts.add_pool"),
        args=(ARG_NAMESPACE, ARG_POOL, ARG_CLUSTER, *_POOL_SETTINGS, ARG_REASON, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="remove",
        help="Take a priority pool away from a queue",
        func=lazy_load_command(f"{_COMMANDS}.queue_acts.remove_pool"),
        args=(ARG_NAMESPACE, ARG_POOL, ARG_CLUSTER, ARG_REASON, ARG_OUTPUT, ARG_VERBOSE),
    ),
)
POOLS_COMMANDS: Final = (
    ActionCommand(
        name="sync",
        help="Make the Airflow pools of all priority pools, with slots split by weight if no arbiter runs",
        func=lazy_load_command(f"{_COMMANDS}.airflow_pools.sync"),
        args=(
            Arg(
                ("--slots",),
                type=positive_int(allow_zero=False),
                metavar="N",
                help="Slots of a queue without job_limit, with [priority_spark] arbiter = off (default: 16)",
            ),
            ARG_DRY_RUN,
            ARG_REASON,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
)

_SCOPE: Final = (
    Arg(("--dag-id",), help="Of this DAG"),
    Arg(("--team",), help="Of this team"),
    Arg(("--namespace",), help="Of jobs bound for this namespace"),
)
_TO: Final = Arg(("--to",), required=True, choices=list(FLOWS), help="The deployment flow")
FLOW_COMMANDS: Final = (
    ActionCommand(
        name="list",
        help="Show which deployment flows are set for whom; the first that fits decides",
        func=lazy_load_command(f"{_COMMANDS}.flow.list_flows"),
        args=(ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="set",
        help="Set the deployment flow of tasks to come; of the whole site, if no option says whose",
        func=lazy_load_command(f"{_COMMANDS}.flow.set_flow"),
        args=(_TO, *_SCOPE, ARG_DRY_RUN, ARG_REASON, ARG_VERBOSE),
    ),
    ActionCommand(
        name="unset",
        help="Take back what `flow set` has set",
        func=lazy_load_command(f"{_COMMANDS}.flow.unset_flow"),
        args=(*_SCOPE, ARG_REASON, ARG_VERBOSE),
    ),
    ActionCommand(
        name="migrate",
        help="Set the deployment flow of tasks to come, and move those that wait",
        func=lazy_load_command(f"{_COMMANDS}.flow.migrate"),
        args=(_TO, *_SCOPE, ARG_DRY_RUN, ARG_YES, ARG_REASON, ARG_OUTPUT, ARG_VERBOSE),
    ),
)
COMMANDS: Final = (
    ActionCommand(
        name="apply",
        help="Make queues, pools, limits and rules what a file says, and show what that changes",
        func=lazy_load_command(f"{_COMMANDS}.apply.apply"),
        args=(
            Arg(("-f", "--file"), metavar="FILE", help="The declarative file; - reads standard input"),
            ARG_DRY_RUN,
            Arg(("--export",), action="store_true", help="Print what is there as such a file instead"),
            ARG_REASON,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
    ActionCommand(
        name="export",
        help="Print queues, pools, limits and rules as a file that `apply` reads",
        func=lazy_load_command(f"{_COMMANDS}.apply.export"),
        args=(ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="report",
        help="Show what the queue would have done to the jobs of the flow observe",
        func=lazy_load_command(f"{_COMMANDS}.report.report"),
        args=(
            Arg(
                ("--since",),
                type=parsedate,
                metavar="WHEN",
                help="Only jobs enqueued then or later, e.g. 2026-01-31T00:00:00Z (default: all known)",
            ),
            Arg(("--namespace",), help="Only jobs bound for this namespace"),
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
)
