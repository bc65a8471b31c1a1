# SPDX-License-Identifier: Apache-2.0
"""The installation's identity."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import delete

from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.models import Instance


def test_the_migration_has_drawn_an_instance_id(session):
    assert UUID(instance_id(session)).version == 4


def test_without_it_the_command_to_run_is_named(session):
    session.execute(delete(Instance))
    with pytest.raises(DatabaseNotMigrated, match="run: airflow db migrate"):
        instance_id(session)
