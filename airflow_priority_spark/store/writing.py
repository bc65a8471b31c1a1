# SPDX-License-Identifier: Apache-2.0
"""Write many rows at once.

SQLAlchemy's flush sends one UPDATE per row, and each is a round trip to the server: thirty jobs that are
admitted together cost thirty. Here rows that changed in the same columns are one statement, whatever their
number; and rows that are only ever added, like events, are no objects that a flush has to keep account of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    CursorResult,
    FromClause,
    Update,
    bindparam,
    cast,
    event,
    func,
    insert,
    inspect,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from airflow_priority_spark.store.models.base import Base

#: Where a session keeps the rows that are still to be inserted, by table.
_LATER: Final = "priority_spark_insert_later"


def insert_later(session: Session, model: type[Base], row: Mapping[str, Any]) -> None:
    """Insert a row of its own after the next flush, or before the commit, with all others of its table.

    They are inserted in the order in which they were given, so that their generated keys ascend.

    :param row: column → value; the same columns in every row of a table.
    """
    later: dict[type[Base], list[Mapping[str, Any]]] | None = session.info.get(_LATER)
    if later is None:
        later = session.info[_LATER] = {}
        event.listen(session, "after_flush", _insert)
        event.listen(session, "before_commit", _flush_and_insert)
        event.listen(session, "after_rollback", _forget)
    later.setdefault(model, []).append(row)


def _insert(session: Session, _context: object = None) -> None:
    later, session.info[_LATER] = session.info[_LATER], {}
    for model, rows in later.items():
        session.connection().execute(insert(model), rows)


def _flush_and_insert(session: Session) -> None:
    # First the rows that these refer to.
    session.flush()
    _insert(session)


def _forget(session: Session) -> None:
    session.info[_LATER] = {}


def write(session: Session) -> None:
    """Flush a session; on PostgreSQL rows that changed alike are written together.

    SQLite lives in the process: there a statement per row costs no round trip.

    :raises StaleDataError: when a changed row is not there any more, as a flush does.
    """
    if session.get_bind().dialect.name == "postgresql":
        for (mapper, names), rows in _changed(session).items():
            _update(session, mapper, names, rows)
    session.flush()


def _changed(session: Session) -> dict[tuple[Mapper[Any], tuple[str, ...]], list[Any]]:
    """Return what changed → the rows that changed in just these columns; others are left to a flush."""
    found: dict[tuple[Mapper[Any], tuple[str, ...]], list[Any]] = defaultdict(list)
    for row in session.dirty:
        state, now = inspect(row), vars(row)
        before = state.committed_state
        names = tuple(sorted(name for name in before if before[name] != now.get(name)))
        if names and _plain(state.mapper, names):
            found[state.mapper, names].append(row)
    return found


def _plain(mapper: Mapper[Any], names: Collection[str]) -> bool:
    """Tell whether these are columns of a class with a key of one column, which is not among them."""
    keys = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    return len(keys) == 1 and keys.isdisjoint(names) and all(name in mapper.column_attrs for name in names)


def _update(session: Session, mapper: Mapper[Any], names: tuple[str, ...], rows: Collection[Any]) -> None:
    key = mapper.primary_key[0]
    columns = {name: mapper.column_attrs[name].columns[0].name for name in names}
    of_key = mapper.get_property_by_column(key).key
    changed = [
        {key.name: getattr(row, of_key)} | {column: getattr(row, name) for name, column in columns.items()}
        for row in rows
    ]
    if update_rows(session, mapper.local_table, changed) != len(rows):
        raise StaleDataError(
            f"of {len(rows)} changed rows of {mapper.local_table} not all are there any more"
        )
    for row in rows:
        for name in names:
            set_committed_value(row, name, getattr(row, name))


def update_rows(session: Session, table: FromClause, rows: Sequence[Mapping[str, Any]]) -> int:
    """Update rows of a table (on PostgreSQL one statement); return how many were there.

    :param rows: column → value, the primary key first and the same columns in each.
    """
    if not rows:
        return 0
    key, *names = rows[0]
    if session.get_bind().dialect.name == "postgresql":
        arrays = {_given(name): [row[name] for row in rows] for name in (key, *names)}
        result = session.connection().execute(_from_arrays(table, key, tuple(names)), arrays)
    else:
        given = [{_given(name): value for name, value in row.items()} for row in rows]
        result = session.connection().execute(_one_by_one(table, key, tuple(names)), given)
    return result.rowcount if isinstance(result, CursorResult) else 0


def _given(name: str) -> str:
    """Return the parameter of a column; by its own name SQLAlchemy would take it for a value to set."""
    return f"given_{name}"


@lru_cache(maxsize=64)
def _from_arrays(table: Any, key: str, names: tuple[str, ...]) -> Update:
    """Return ``UPDATE … FROM unnest(…)``: an array for each column, so that its text is always the same."""
    columns = [table.c[name] for name in (key, *names)]
    arrays = [
        cast(bindparam(_given(column.name), type_=ARRAY(column.type)), ARRAY(column.type))
        for column in columns
    ]
    found = func.unnest(*arrays).table_valued(*columns, name="changed").render_derived()
    return update(table).where(table.c[key] == found.c[key]).values({name: found.c[name] for name in names})


@lru_cache(maxsize=64)
def _one_by_one(table: Any, key: str, names: tuple[str, ...]) -> Update:
    given: dict[str, Any] = {name: bindparam(_given(name)) for name in names}
    return update(table).where(table.c[key] == bindparam(_given(key))).values(given)
