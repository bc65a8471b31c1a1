# SPDX-License-Identifier: Apache-2.0
"""The shape of ``airflow priority-spark …``.

Airflow imports this module for every command line, also for ``airflow version``, and an error here
makes the whole group vanish without a word. So it only describes; each command's code is imported
when the command runs.
"""

from __future__ import annotations

from typing import Final

from airflow.cli.cli_config import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ARG_YES,
    ActionCommand,
    Arg,
    GroupCommand,
    lazy_load_command,
    parsedate,
    positive_int,
)

from airflow_priority_spark.cli import act_commands
from airflow_priority_spark.embedded.command_arguments import (
    CONTROLLERS_ARGUMENTS,
    FAULT_ADD_ARGUMENTS,
    FAULT_CLEAR_ARGUMENTS,
    FAULT_KINDS_ARGUMENTS,
    FAULT_LIST_ARGUMENTS,
    START_ARGUMENTS,
    STATUS_ARGUMENTS,
    STOP_ARGUMENTS,
    Argument,
)
from airflow_priority_spark.scheduling.jobs import JobState

_COMMANDS: Final = "airflow_priority_spark.cli"

ARG_JOB_ID = Arg(("job_id",), help="Id of the job, as `job list` shows it")
ARG_STATE = Arg(
    ("--state",),
    action="append",
    choices=[*(state.value for state in JobState), "all"],
    metavar="STATE",
    help=f"Only jobs in this state ({', '.join(JobState)} or all); may be given several times "
    "(default: jobs that have not ended)",
)
ARG_LIMIT = Arg(
    ("--limit",),
    type=positive_int(allow_zero=False),
    default=100,
    help="At most so many jobs, up to 1000 (default: 100); of ended jobs the newest",
)
ARG_FAIL = Arg(
    ("--fail",),
    action="store_true",
    help="Fail the waiting tasks instead of sending them straight to the cluster",
)


def _account(text: str) -> str:
    from airflow_priority_spark.cli.doctor_rights import account

    return account(text)


ARG_RIGHTS = Arg(
    ("--rights",),
    choices=["arbiter", "worker", "both"],
    default="both",
    help="Whose rights in clusters to ask for (default: both)",
)
ARG_ARBITER_ACCOUNT = Arg(
    ("--arbiter-account",),
    type=_account,
    metavar="NAMESPACE:NAME",
    help="The arbiter's service account; asking for its rights needs the verb impersonate "
    "(default: the connection's user)",
)
ARG_WORKER_ACCOUNT = Arg(
    ("--worker-account",),
    type=_account,
    metavar="NAMESPACE:NAME",
    help="The service account of workers, likewise",
)
ARG_LOCAL = Arg(("--local",), action="store_true", help="Only an arbiter on this host")
ARG_MANIFEST = Arg(
    ("file",), metavar="FILE", help="A SparkApplication as YAML or JSON; - reads it from standard input"
)
ARG_SPARK_VERSION = Arg(
    ("--spark-version",), metavar="V", help="Whose rules apply (default: the manifest's sparkVersion)"
)
ARG_RESERVE = Arg(
    ("--reserve",),
    choices=["initial", "min", "max"],
    default="initial",
    help="How many executors count under dynamic allocation (default: initial)",
)
ARG_DRY_RUN = Arg(("--dry-run",), action="store_true", help="Only say how many tasks it would give back")
ARG_DAGS_PATH = Arg(("path",), metavar="PATH", help="A DAG file, or a folder with DAG files")
ARG_WORKLOAD = Arg(
    ("file",), nargs="?", metavar="WORKLOAD", help="A workload as YAML: nodes, queues, arrivals, settings"
)
ARG_JOBS_OUT = Arg(("--jobs-out",), metavar="FILE", help="Write one line of JSON for each job to this file")
ARG_COMPARE = Arg(("--compare",), metavar="OTHER", help="Run this workload too and show what differs")
ARG_FROM_HISTORY = Arg(
    ("--from-history",),
    action="store_true",
    help="Replay what this site really ran; WORKLOAD, without arrivals, says what should be otherwise",
)
ARG_SINCE = Arg(
    ("--since",),
    type=parsedate,
    metavar="WHEN",
    help="With --from-history: only jobs that were queued then or later, e.g. 2026-01-31T00:00:00Z",
)
ARG_ONE_CLUSTER = Arg(("--cluster",), help="With --from-history: the cluster, where there are several")
ARG_ONE_CAPACITY = Arg(("--cluster",), help="Only the cluster of this name")
ARG_OF_NAMESPACE = Arg(("--namespace",), help="Only this namespace")
ARG_DIFF = Arg(("--diff",), action="store_true", help="Show the changes as a unified diff; write nothing")
ARG_WRITE = Arg(("--write",), action="store_true", help="Change the files")


def _arguments(described: list[Argument]) -> list[Arg]:
    return [Arg(flags, **keywords) for flags, keywords in described]


QUEUE_COMMANDS: Final = (
    ActionCommand(
        name="list",
        help="List the queues and what their priority pools hold",
        func=lazy_load_command(f"{_COMMANDS}.queues.list_queues"),
        args=(*act_commands.LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    *act_commands.QUEUE_COMMANDS,
)
JOB_COMMANDS: Final = (
    ActionCommand(
        name="list",
        help="List jobs in the order of their queue, and what each waits for",
        func=lazy_load_command(f"{_COMMANDS}.jobs.list_jobs"),
        args=(ARG_STATE, *act_commands.JOB_FILTERS, ARG_LIMIT, *act_commands.LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="show",
        help="Show one job and everything that happened to it",
        func=lazy_load_command(f"{_COMMANDS}.jobs.show_job"),
        args=(ARG_JOB_ID, *act_commands.LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    *act_commands.JOB_COMMANDS,
)
FAULT_COMMANDS: Final = (
    ActionCommand(
        name="add",
        help="Cause a fault",
        func=lazy_load_command(f"{_COMMANDS}.cluster.fault_add"),
        args=_arguments(FAULT_ADD_ARGUMENTS),
    ),
    ActionCommand(
        name="list",
        help="Show the active faults",
        func=lazy_load_command(f"{_COMMANDS}.cluster.fault_list"),
        args=_arguments(FAULT_LIST_ARGUMENTS),
    ),
    ActionCommand(
        name="clear",
        help="End one fault, several or all",
        func=lazy_load_command(f"{_COMMANDS}.cluster.fault_clear"),
        args=_arguments(FAULT_CLEAR_ARGUMENTS),
    ),
    ActionCommand(
        name="kinds",
        help="Show which faults there are and what each can be told",
        func=lazy_load_command(f"{_COMMANDS}.cluster.fault_kinds"),
        args=_arguments(FAULT_KINDS_ARGUMENTS),
    ),
)
CLUSTER_COMMANDS: Final = (
    ActionCommand(
        name="start",
        help="Start an embedded cluster on this machine",
        func=lazy_load_command(f"{_COMMANDS}.cluster.start"),
        args=_arguments(START_ARGUMENTS),
    ),
    ActionCommand(
        name="stop",
        help="Stop an embedded cluster and everything it started",
        func=lazy_load_command(f"{_COMMANDS}.cluster.stop"),
        args=_arguments(STOP_ARGUMENTS),
    ),
    ActionCommand(
        name="status",
        help="Show nodes, quotas, applications and pods of an embedded cluster",
        func=lazy_load_command(f"{_COMMANDS}.cluster.status"),
        args=_arguments(STATUS_ARGUMENTS),
    ),
    ActionCommand(
        name="controllers",
        help="Run Spark applications on a bare control plane, with nodes of this process",
        func=lazy_load_command(f"{_COMMANDS}.cluster.controllers"),
        args=_arguments(CONTROLLERS_ARGUMENTS),
    ),
    GroupCommand(
        name="fault",
        help="Cause faults in an embedded cluster, to rehearse them",
        subcommands=FAULT_COMMANDS,
    ),
)
ARG_PORT = Arg(("--port",), type=int, default=8000, help="Port to listen on (default: 8000); 0: a free one")
ARG_BIND_ADDRESS = Arg(
    ("--bind-address",), metavar="ADDRESS", help="Address to listen on (default: metrics_bind_address)"
)
ARG_HASH_PASSWORD = Arg(
    ("--hash-password",),
    action="store_true",
    help="Only read a password from standard input and print its hash, for metrics_users_file",
)
COMMANDS: Final = (
    ActionCommand(
        name="arbiter",
        help="Run an arbiter in the foreground; of several, one leads",
        func=lazy_load_command(f"{_COMMANDS}.arbiter.run_arbiter"),
        args=(ARG_VERBOSE,),
    ),
    ActionCommand(
        name="check",
        help="Check that an arbiter is alive, by exit code; for probes",
        func=lazy_load_command(f"{_COMMANDS}.arbiter.check_arbiter"),
        args=(ARG_LOCAL,),
    ),
    ActionCommand(
        name="exporter",
        help="Answer Prometheus with the metrics of the queue",
        func=lazy_load_command(f"{_COMMANDS}.exporter.run_exporter"),
        args=(ARG_PORT, ARG_BIND_ADDRESS, ARG_HASH_PASSWORD, ARG_VERBOSE),
    ),
    ActionCommand(
        name="status",
        help="Show who leads, when it last ran and how fresh its picture of each cluster is",
        func=lazy_load_command(f"{_COMMANDS}.status.show_status"),
        args=(*act_commands.LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="capacity",
        help="Show what clusters and namespaces have, use, have promised and have left",
        description=(
            "Show hard, used, granted and free of every key of each namespace, the nodes of each cluster and "
            "the largest hole of each group of nodes, from the arbiter's newest pictures. Exit code 3 when "
            "there is no such cluster or namespace."
        ),
        func=lazy_load_command(f"{_COMMANDS}.capacity.show_capacity"),
        args=(ARG_ONE_CAPACITY, ARG_OF_NAMESPACE, *act_commands.LIVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="doctor",
        help="Check database, permissions, clusters and Airflow, and say how to mend what is wrong",
        description=(
            "Check the database and its tables, who leads, permissions, CRD and quotas of every cluster, "
            "clocks, scheduler, triggerer, executor and APIs; each finding says how to mend it. Exit code 1 "
            "when there is a problem, 0 when there are warnings at most."
        ),
        func=lazy_load_command(f"{_COMMANDS}.doctor.examine"),
        args=(ARG_RIGHTS, ARG_ARBITER_ACCOUNT, ARG_WORKER_ACCOUNT, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="unpark",
        help="Give every waiting task back to Airflow",
        description=(
            "Give every waiting task back to Airflow: resumed straight to the cluster (the legacy flow), or "
            "failed with --fail. Do this before the package is removed."
        ),
        func=lazy_load_command(f"{_COMMANDS}.unpark.unpark"),
        args=(ARG_FAIL, ARG_DRY_RUN, ARG_YES, ARG_VERBOSE),
    ),
    ActionCommand(
        name="demand",
        help="Compute what a SparkApplication asks for, and say why",
        func=lazy_load_command(f"{_COMMANDS}.demand.show_demand"),
        args=(ARG_MANIFEST, ARG_SPARK_VERSION, ARG_RESERVE, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="migrate-dags",
        help="Change DAG files from the stock Spark operator to this one",
        description=(
            "Change imports and names in DAG files from the stock SparkKubernetesOperator to "
            "PrioritySparkKubernetesOperator, and list what a person must look at. Without --write nothing "
            "is written."
        ),
        func=lazy_load_command(f"{_COMMANDS}.migrate_dags.migrate_dags"),
        args=(ARG_DAGS_PATH, ARG_DIFF, ARG_WRITE),
    ),
    ActionCommand(
        name="simulate",
        help="Show what the queueing rules make of a workload, without a cluster",
        func=lazy_load_command(f"{_COMMANDS}.simulate.simulate_workload"),
        args=(
            ARG_WORKLOAD,
            ARG_JOBS_OUT,
            ARG_COMPARE,
            ARG_FROM_HISTORY,
            ARG_SINCE,
            ARG_ONE_CLUSTER,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
    *act_commands.COMMANDS,
    GroupCommand(name="queue", help="Look at queues, and change them", subcommands=QUEUE_COMMANDS),
    GroupCommand(name="pool", help="Change priority pools", subcommands=act_commands.POOL_COMMANDS),
    GroupCommand(
        name="pools",
        help="Keep Airflow's pools in step with priority pools",
        subcommands=act_commands.POOLS_COMMANDS,
    ),
    GroupCommand(name="job", help="Look at jobs, and act on them", subcommands=JOB_COMMANDS),
    GroupCommand(
        name="flow",
        help="Move jobs between the flows legacy, observe and priority",
        subcommands=act_commands.FLOW_COMMANDS,
    ),
    GroupCommand(
        name="cluster",
        help="Run a small Kubernetes on this machine, to try things out",
        subcommands=CLUSTER_COMMANDS,
    ),
)


def get_cli_commands() -> list[GroupCommand]:
    """Return the command groups of this package, as named in its provider info."""
    return [
        GroupCommand(
            name="priority-spark",
            help="Queue Spark jobs by priority and capacity",
            subcommands=COMMANDS,
        )
    ]
