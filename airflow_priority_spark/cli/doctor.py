# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark doctor``: is everything as it must be, and how is each fault mended.

Exit code 0: no problem (there may be warnings); 1: at least one problem; 2: the command line is wrong.
Every check is made, whatever the ones before have found, as long as it can be.
"""

from __future__ import annotations

import datetime
import os
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark import settings
from airflow_priority_spark.cli import doctor_airflow, doctor_cluster, doctor_database
from airflow_priority_spark.cli.doctor_findings import Finding, exit_code
from airflow_priority_spark.cli.doctor_rights import BOTH, Asked, chosen
from airflow_priority_spark.cli.output import print_rows
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.store.models import Queue
from airflow_priority_spark.store.queues import known_aliases


@suppress_logs_and_warning
@providers_configuration_loaded
def examine(args: Namespace) -> None:
    """Look at everything, print what was found, and end with an exit code."""
    # Connections come from where the arbiter looks for them, and not from a task's API.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    findings = list(look(chosen(args.rights, args.arbiter_account, args.worker_account)))
    print_rows([asdict(finding) for finding in findings], args.output)
    if code := exit_code(findings):
        raise SystemExit(code)


def look(asked: Sequence[Asked] = BOTH) -> Iterator[Finding]:
    """Make every check.

    :param asked: whose rights in clusters to ask for.
    """
    configured = settings.Settings()
    try:
        configured = settings.load()
    except InvalidInput as error:
        mend = "Correct the option in airflow.cfg or the environment; the rest was judged by the defaults."
        yield Finding("configuration", "[priority_spark]", "problem", str(error), mend)
    else:
        yield Finding("configuration", "[priority_spark]", "ok", "every option is valid")
    yield doctor_airflow.resume_api()
    yield doctor_airflow.executor()
    yield doctor_airflow.execution_api()
    yield doctor_airflow.settling(configured)
    with create_session() as session:
        yield from _with_database(session, configured, asked)


def _with_database(
    session: Session, configured: settings.Settings, asked: Sequence[Asked]
) -> Iterator[Finding]:
    answers = doctor_database.answers(session)
    yield answers
    if answers.result == "problem":
        session.rollback()
        return
    now = datetime.datetime.now(datetime.UTC)
    yield from doctor_database.database_clock(session, configured, now)
    migrated = doctor_database.migrations(session)
    yield migrated
    if migrated.result == "problem":
        return
    yield from doctor_airflow.processes(session)
    yield doctor_database.leader(session, configured, now)
    yield from doctor_database.unresolved(session, now)
    yield from _clusters(session, asked)


def _clusters(session: Session, asked: Sequence[Asked]) -> Iterator[Finding]:
    """Look at every cluster that jobs have named, or at the default connection's before the first."""
    queues: dict[str, list[Queue]] = defaultdict(list)
    for queue in session.scalars(select(Queue)):
        queues[queue.cluster_id].append(queue)
    aliases = known_aliases(session)
    if not aliases:
        yield from doctor_cluster.look_at(ConnectionRef(), None, (), (), asked)
    for alias, cluster_id in sorted(aliases.items()):
        own = queues.get(cluster_id, [])
        yield from doctor_cluster.look_at(
            ConnectionRef.parse(alias),
            cluster_id,
            {queue.namespace for queue in own},
            {queue.namespace for queue in own if queue.capacity},
            asked,
        )
