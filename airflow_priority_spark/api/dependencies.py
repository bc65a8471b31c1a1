# SPDX-License-Identifier: Apache-2.0
"""What routes ask for: a session, the user's rights, the time, the settings."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.utils.session import create_session
from fastapi import Depends
from sqlalchemy.orm import Session

from airflow_priority_spark import settings as configuration
from airflow_priority_spark.api.access import Access
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.session import check_migrated


def _session() -> Iterator[Session]:
    with create_session(scoped=False) as session:
        check_migrated(session)
        yield session


def utcnow() -> datetime.datetime:
    """Return the time; tests put another clock in its place."""
    return datetime.datetime.now(datetime.UTC)


def _settings() -> Settings:
    return configuration.load()


# Closed before the answer is sent: a stream must not hold a connection for hours.
SessionDep = Annotated[Session, Depends(_session, scope="function")]
NowDep = Annotated[datetime.datetime, Depends(utcnow)]
SettingsDep = Annotated[Settings, Depends(_settings)]


def _access(user: GetUserDep, session: SessionDep) -> Access:
    """Return the rights of who asks.

    :raises HTTPException: 401 without a valid token, 403 without any right to read.
    """
    access = Access(user, session)
    access.require_any()
    return access


AccessDep = Annotated[Access, Depends(_access, scope="function")]
