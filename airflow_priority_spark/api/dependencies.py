# SPDX-License-Identifier: Apache-2.0
"""What routes ask for: a session, the user's rights, the time, the settings."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Annotated, Final
from weakref import WeakKeyDictionary

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.utils.session import create_session
from fastapi import Depends
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from airflow_priority_spark import settings as configuration
from airflow_priority_spark.api.access import Access
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.session import check_migrated

#: The tables of a running server change once in months; asking each time is two round trips of every request.
_CHECK_AGAIN_SECONDS: Final = 60.0
#: Engine → instant of the monotonic clock at which its tables were last found to be right.
_found_right: WeakKeyDictionary[Engine | Connection, float] = WeakKeyDictionary()


def _check_migrated(session: Session) -> None:
    """Let pass tables that are right, or were a moment ago.

    :raises DatabaseNotMigrated: see ``check_migrated``; nothing is remembered of tables that are not right.
    """
    engine, now = session.get_bind(), time.monotonic()
    if now - _found_right.get(engine, -_CHECK_AGAIN_SECONDS) >= _CHECK_AGAIN_SECONDS:
        check_migrated(session)
        _found_right[engine] = now


def _session() -> Iterator[Session]:
    with create_session(scoped=False) as session:
        _check_migrated(session)
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
