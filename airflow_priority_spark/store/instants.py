# SPDX-License-Identifier: Apache-2.0
"""Instants as numbers, inside the database: every kind of database spells that in its own way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, extract, func
from sqlalchemy.orm import Session


def epoch(session: Session, instant: Any) -> ColumnElement[int]:
    """Return whole seconds since 1970."""
    dialect = session.get_bind().dialect.name
    if dialect == "mysql":
        return cast(func.unix_timestamp(instant), BigInteger)
    if dialect == "sqlite":
        return extract("epoch", instant)
    return cast(func.floor(extract("epoch", instant)), BigInteger)
