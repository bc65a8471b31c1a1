# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark apply`` and ``export``: queues, pools, limits and rules as one file."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Final

import yaml
from airflow import settings as airflow_settings
from airflow.utils.cli import action_cli, suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.actions import Change, apply_declaration, declared, find_cluster
from airflow_priority_spark.arbiter.configuration import Declaration
from airflow_priority_spark.cli.acts import by
from airflow_priority_spark.cli.changes import print_changes
from airflow_priority_spark.cli.declaration_file import read_declaration
from airflow_priority_spark.cli.messages import WRONG_USAGE, fail, in_one_line
from airflow_priority_spark.cli.output import print_document
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.errors import InvalidFile, NotFound
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.store.queues import remember_cluster

_HEAD: Final = "# Queues, pools, limits and rules; `airflow priority-spark apply -f FILE` makes them so.\n"


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def apply(args: Namespace) -> None:
    """Make queues, pools, limits and rules what a file says, and show what that changes."""
    if args.export:
        export(args)
        return
    if args.file is None:
        fail("priority-spark: say which file: -f FILE (- reads standard input), or --export", WRONG_USAGE)
    declaration = read_declaration(*_read(args.file))
    with reading() as session:
        unknown = _unknown_clusters(session, declaration)
    resolved = {name: _cluster_behind(name) for name in unknown}
    changes = _apply(args, declaration, resolved)
    print_changes(changes, args.output)
    if args.dry_run and changes and args.output not in ("json", "yaml"):
        print("Nothing was changed: this was a dry run.")


@suppress_logs_and_warning
@providers_configuration_loaded
@in_one_line
def export(args: Namespace) -> None:
    """Print what is there in the form of a file that ``apply`` reads."""
    with reading() as session:
        document = declared(session).given()
    if args.output == "json":
        print_document(document, "json")
        return
    print(_HEAD + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=110), end="")


def _read(file: str) -> tuple[str, str]:
    if file == "-":
        return sys.stdin.read(), "standard input"
    try:
        return Path(file).read_text(), file
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(file, [(1, f"cannot be read: {error}")]) from None


def _apply(args: Namespace, declaration: Declaration, resolved: dict[str, str]) -> tuple[Change, ...]:
    who = by(args)
    with airflow_settings.NonScopedSession() as session, session.begin() as transaction:
        for name, cluster_id in resolved.items():
            remember_cluster(session, ConnectionRef(conn_id=name).alias(), cluster_id, name, who.now)
        changes = apply_declaration(session, declaration, who)
        if args.dry_run:
            transaction.rollback()
    return changes


def _unknown_clusters(session: Session, declaration: Declaration) -> list[str]:
    named = [cluster.name for cluster in declaration.clusters or ()]
    named += [queue.cluster for queue in declaration.queues or () if queue.cluster]
    unknown = []
    for name in dict.fromkeys(named):
        try:
            find_cluster(session, name)
        except NotFound:
            unknown.append(name)
    return unknown


def _cluster_behind(name: str) -> str:
    """Ask the cluster that an Airflow connection leads to for its identity.

    :raises InvalidInput: when there is no such connection.
    :raises ClusterUnavailable, PermissionMissing: when the cluster does not say.
    """
    from airflow_priority_spark.cluster.connections import identify, resolve

    # Airflow then looks the connection up where its components do, in the metadata database too.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    connection = resolve(ConnectionRef(conn_id=name))
    try:
        return identify(connection)
    finally:
        connection.close()
