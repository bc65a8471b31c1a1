# SPDX-License-Identifier: Apache-2.0
"""What a cluster is started with, read from and written as command-line arguments."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_priority_spark.embedded import option_values
from airflow_priority_spark.embedded.access import Denial
from airflow_priority_spark.embedded.command_arguments import CLUSTER_ARGUMENTS
from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.specs import (
    DEFAULT_NODES,
    NodeSpec,
    Quota,
    namespace_text,
    parse_daemon,
    parse_denial,
    parse_namespace,
)
from airflow_priority_spark.embedded.store import DEFAULT_WINDOW
from airflow_priority_spark.errors import InvalidInput


@dataclass(frozen=True)
class ClusterSettings:
    """A cluster to start.

    :param directory: where kubeconfig, log and state lie; also its identity: a cluster started again in the
        same directory keeps the uid of its ``kube-system`` namespace.
    :param port: on 127.0.0.1; 0 takes a free one.
    :param namespaces: by name, each with the ``hard`` of its ResourceQuota or ``None`` for no quota.
    :param runtime: ``spark``, ``simulated`` or ``auto``.
    :param simulated_seconds: run time of simulated applications that have no annotation.
    :param driver_start_seconds: from a driver's start to its request for executors.
    :param bare: a control plane only; pods run when ``cluster controllers`` brings nodes.
    :param app_root: where ``local://`` files are looked for.
    :param quota_lag_seconds: how much later a quota's status says what objects give back.
    :param daemons: by name, what each pod of a DaemonSet asks of every node.
    :param autoscale: the nodes that an autoscaler may add; ``None`` for no autoscaler.
    :param window: events per kind a watch can resume over.
    """

    directory: Path
    port: int = 0
    nodes: Sequence[NodeSpec] = DEFAULT_NODES
    namespaces: Mapping[str, Quota | None] = field(default_factory=dict)
    runtime: str = "auto"
    simulated_seconds: float = 10.0
    driver_start_seconds: float = 0.5
    app_root: Path | None = None
    with_crd: bool = True
    bare: bool = False
    quota_lag_seconds: float = 0.1
    daemons: Mapping[str, Quota] = field(default_factory=dict)
    autoscale: Pool | None = None
    window: int = DEFAULT_WINDOW
    denials: Sequence[Denial] = ()

    @property
    def real_drivers(self) -> bool:
        """Whether drivers run as ``spark-submit``; raises ``InvalidInput`` when asked for and impossible."""
        return option_values.real_drivers(self.runtime)

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> ClusterSettings:
        """Read parsed arguments; raises ``InvalidInput`` naming the flag, the value and what is allowed."""
        nodes = [NodeSpec.parse(text) for text in args.node or ()] or DEFAULT_NODES
        names = [node.name for node in nodes]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise InvalidInput("--node", repeated, "each node name once")
        return cls(
            directory=Path(args.directory).expanduser().resolve(),
            port=option_values.number("--port", args.port, 0, 65535),
            nodes=nodes,
            namespaces=dict(parse_namespace(text) for text in args.namespace or ()),
            runtime=option_values.runtime(args.runtime),
            simulated_seconds=option_values.duration("--simulated-runtime", args.simulated_runtime),
            driver_start_seconds=option_values.duration("--driver-start", args.driver_start),
            app_root=option_values.directory("--app-root", args.app_root),
            with_crd=not args.without_crd,
            bare=args.bare,
            quota_lag_seconds=option_values.duration("--quota-lag", args.quota_lag),
            daemons=dict(parse_daemon(text) for text in args.daemon or ()),
            autoscale=Pool.parse(args.autoscale) if args.autoscale else None,
            window=option_values.number("--watch-window", args.watch_window, 1, 10**9),
            denials=[parse_denial(text) for text in args.deny or ()],
        )

    def to_arguments(self) -> list[str]:
        """Return the command line that ``from_arguments`` reads back."""
        line = ["--directory", str(self.directory), "--port", str(self.port), "--runtime", self.runtime]
        line += ["--simulated-runtime", f"{self.simulated_seconds}s", "--watch-window", str(self.window)]
        line += ["--driver-start", f"{self.driver_start_seconds}s"]
        line += ["--quota-lag", f"{self.quota_lag_seconds}s"]
        for name, asked in self.daemons.items():
            line += ["--daemon", namespace_text(name, asked)]
        line += ["--autoscale", self.autoscale.text()] if self.autoscale else []
        line += [part for node in self.nodes for part in ("--node", node.text())]
        for name, hard in self.namespaces.items():
            line += ["--namespace", namespace_text(name, hard)]
        for denial in self.denials:
            line += ["--deny", f"{denial.user}:{denial.verb}:{denial.resource}"]
        line += ["--app-root", str(self.app_root)] if self.app_root else []
        line += ["--bare"] if self.bare else []
        return line if self.with_crd else [*line, "--without-crd"]


def parser() -> argparse.ArgumentParser:
    """Return a parser of the arguments that describe a cluster."""
    found = argparse.ArgumentParser(prog="python -m airflow_priority_spark.embedded")
    for flags, keywords in CLUSTER_ARGUMENTS:
        found.add_argument(*flags, **keywords)
    return found
