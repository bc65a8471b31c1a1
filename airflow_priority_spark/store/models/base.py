# SPDX-License-Identifier: Apache-2.0
"""What all tables share: the prefix of their names, and how constraints are called."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase

PREFIX: Final = "priority_spark_"
VERSION_TABLE: Final = "priority_spark_alembic_version"

#: SQLite numbers rows by itself only for a column that is exactly INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Base of all tables, with names for every constraint so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": f"{PREFIX}ix_%(column_0_N_label)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_uq",
            "fk": "%(table_name)s_%(column_0_name)s_fk",
            "pk": "%(table_name)s_pk",
        }
    )
