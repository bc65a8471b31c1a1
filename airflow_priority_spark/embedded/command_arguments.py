# SPDX-License-Identifier: Apache-2.0
"""The arguments of ``airflow priority-spark cluster``, as plain (flags, keyword) pairs for any parser.

Values stay text: ``settings`` reads them, so that a person, the process and the tests meet the same messages.
"""

from __future__ import annotations

from typing import Any

Argument = tuple[tuple[str, ...], dict[str, Any]]

DEFAULT_DIRECTORY = "~/.priority-spark/cluster"

_DIRECTORY: Argument = (
    ("--directory",),
    {
        "default": DEFAULT_DIRECTORY,
        "help": f"where kubeconfig, log and state lie (default: {DEFAULT_DIRECTORY})",
    },
)

_NODE_HELP = "a node, with further RESOURCE:AMOUNT, label.KEY=VALUE and taint.KEY=VALUE:EFFECT; repeatable"
_RUNTIME: Argument = (
    ("--runtime",),
    {
        "default": "auto",
        "metavar": "{auto,spark,simulated}",
        "help": "run drivers as real spark-submit processes or simulate them; "
        "auto (default) runs them when Java 17 or newer and pyspark are there",
    },
)
_SIMULATED_RUNTIME: Argument = (
    ("--simulated-runtime",),
    {
        "default": "10s",
        "help": "how long a simulated application without an annotation runs (default: 10s)",
    },
)
_DRIVER_START: Argument = (
    ("--driver-start",),
    {"default": "500ms", "help": "from a driver's start to its request for executors (default: 500ms)"},
)
_APP_ROOT: Argument = (
    ("--app-root",),
    {"help": "directory in which local:// files are looked for when they do not exist as they are named"},
)

CLUSTER_ARGUMENTS: list[Argument] = [
    _DIRECTORY,
    (("--port",), {"default": "0", "help": "port on 127.0.0.1; 0 takes a free one (default)"}),
    (
        ("--node",),
        {
            "action": "append",
            "metavar": "NAME=cpu:8,memory:32Gi",
            "help": f"{_NODE_HELP} (default: 3 nodes of 8 cpu and 32Gi)",
        },
    ),
    (
        ("--namespace",),
        {
            "action": "append",
            "metavar": "NAME=cpu:8,memory:16Gi,pods:20",
            "help": "a namespace, with a ResourceQuota of these amounts when there are any; repeatable",
        },
    ),
    _RUNTIME,
    _SIMULATED_RUNTIME,
    _DRIVER_START,
    _APP_ROOT,
    (("--without-crd",), {"action": "store_true", "help": "do not install the SparkApplication CRD"}),
    (
        ("--bare",),
        {
            "action": "store_true",
            "help": "a control plane only, without nodes, kubelet and operator: for `cluster controllers`",
        },
    ),
    (
        ("--daemon",),
        {
            "action": "append",
            "metavar": "NAME=cpu:100m,memory:200Mi",
            "help": "a DaemonSet in kube-system whose pods take this of every node; repeatable",
        },
    ),
    (
        ("--autoscale",),
        {
            "metavar": "max=N,delay=30s",
            "help": "an autoscaler that adds up to N nodes for unschedulable pods, removes empty ones; also "
            "idle=10m, cpu=8, memory=32Gi, RESOURCE=AMOUNT, label.KEY=VALUE, taint.KEY=VALUE:EFFECT",
        },
    ),
    (
        ("--quota-lag",),
        {
            "default": "100ms",
            "help": "how much later a quota's status says what was given back (default: 100ms)",
        },
    ),
    (
        ("--watch-window",),
        {"default": "10000", "help": "events per kind a watch can resume over; older versions get 410"},
    ),
    (
        ("--deny",),
        {
            "action": "append",
            "metavar": "USER:VERB:RESOURCE",
            "help": "give USER a kubeconfig of its own (kubeconfig-USER) that may not do this; repeatable",
        },
    ),
]

START_ARGUMENTS: list[Argument] = [
    *CLUSTER_ARGUMENTS,
    (("--foreground",), {"action": "store_true", "help": "stay in the foreground, log to the terminal"}),
]
STOP_ARGUMENTS: list[Argument] = [_DIRECTORY]
STATUS_ARGUMENTS: list[Argument] = [
    _DIRECTORY,
    (("-o", "--output"), {"default": "table", "metavar": "{table,json,yaml}", "help": "output format"}),
]
_OUTPUT: Argument = (
    ("-o", "--output"),
    {"default": "table", "metavar": "{table,json,yaml}", "help": "output format"},
)
FAULT_ADD_ARGUMENTS: list[Argument] = [
    (("kind",), {"metavar": "KIND", "help": "one of those that `fault kinds` shows"}),
    (
        ("option",),
        {
            "nargs": "*",
            "metavar": "KEY=VALUE",
            "help": "its options, what it is narrowed to (e.g. resource=pods), for=30s or count=3",
        },
    ),
    _DIRECTORY,
]
FAULT_KINDS_ARGUMENTS: list[Argument] = [_OUTPUT]
FAULT_LIST_ARGUMENTS: list[Argument] = [_DIRECTORY, _OUTPUT]
FAULT_CLEAR_ARGUMENTS: list[Argument] = [
    (("fault",), {"nargs": "*", "metavar": "ID", "help": "which faults to end (default: all)"}),
    _DIRECTORY,
]
CONTROLLERS_ARGUMENTS: list[Argument] = [
    (("--kubeconfig",), {"help": "of the API server to serve (default: KUBECONFIG of the environment)"}),
    (("--context",), {"help": "context of the kubeconfig (default: its current one)"}),
    (("--nodes",), {"default": "3", "help": "how many nodes of 8 cpu and 32Gi to register (default: 3)"}),
    (
        ("--node",),
        {
            "action": "append",
            "metavar": "NAME=cpu:8,memory:32Gi",
            "help": f"{_NODE_HELP}; instead of --nodes",
        },
    ),
    _RUNTIME,
    _SIMULATED_RUNTIME,
    _DRIVER_START,
    _APP_ROOT,
]
