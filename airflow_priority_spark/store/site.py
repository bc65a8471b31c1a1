# SPDX-License-Identifier: Apache-2.0
"""The site's queueing rules as they hold now: what was set while running, else the configuration.

A row of the table ``setting`` is stronger than the option of the same name, so that a site is changed
without restarting anything; without the row the option holds again. Read anew in every cycle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.model import HeadRules, Rules
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.models import Setting

#: The options that a row of ``setting`` may stand in for.
SITE_KEYS: Final = (
    "batch_size",
    "head_timeout_seconds",
    "head_retry_count",
    "head_retry_position",
    "head_timeout_action",
    "head_protection_seconds",
    "job_limit",
    "job_limit_per_user",
    "job_limit_per_service",
    "job_limit_per_user_service",
)


def read_site(session: Session, settings: Settings) -> Settings:
    """Return the settings with what the tables say instead (one statement)."""
    rows = session.execute(select(Setting.key, Setting.value).where(Setting.key.in_(SITE_KEYS)))
    values = {row.key: row.value for row in rows if row.value is not None}
    return replace(settings, **values) if values else settings


def head_rules(site: Settings) -> HeadRules:
    """Return what holds for heads of pools and queues that have no rules of their own."""
    return HeadRules(
        timeout_seconds=site.head_timeout_seconds,
        retry_count=site.head_retry_count,
        retry_position="tail" if site.head_retry_position == "tail" else "keep",
        timeout_action="hold" if site.head_timeout_action == "hold" else "cancel",
        protection_seconds=site.head_protection_seconds,
    )


def rules(site: Settings) -> Rules:
    """Return the rules of a decision; a limit of 0 is none."""
    return Rules(
        batch_size=site.batch_size,
        head_rules=head_rules(site),
        fail_impossible=site.fail_impossible,
        limit=site.job_limit or None,
        limit_per_user=site.job_limit_per_user or None,
        limit_per_service=site.job_limit_per_service or None,
        limit_per_user_service=site.job_limit_per_user_service or None,
    )
