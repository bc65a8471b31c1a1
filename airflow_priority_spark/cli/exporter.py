# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark exporter``."""

from __future__ import annotations

import datetime
import getpass
import logging
import os
import signal
import sys
import threading
from argparse import Namespace

from airflow.utils.cli import action_cli
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark import settings
from airflow_priority_spark.cli.messages import in_one_line

log = logging.getLogger(__name__)


# Readiness says what is wrong with the tables; the exporter may start before they are migrated.
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def run_exporter(args: Namespace) -> None:
    """Answer with metrics until SIGTERM or SIGINT, or print the hash of a password."""
    from airflow import settings as airflow_settings

    from airflow_priority_spark.metrics.access import hash_password
    from airflow_priority_spark.metrics.exporter import Exporter, Listening

    if args.hash_password:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        print(hash_password(password))
        return
    configured = settings.load()
    exporter = Exporter(
        Listening.of(configured, args.port, args.bind_address),
        airflow_settings.NonScopedSession,
        configured,
        lambda: datetime.datetime.now(datetime.UTC),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    exporter.start()
    log.info("Exporter %s listens on port %s", os.getpid(), exporter.port)
    stop.wait()
    exporter.close()
