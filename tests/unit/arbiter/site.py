# SPDX-License-Identifier: Apache-2.0
"""What a platform team sets for its site, written straight into the tables."""

from __future__ import annotations

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team
from airflow.models.team import dag_bundle_team_association_table as bundle_team
from airflow.sdk.serde import deserialize
from sqlalchemy import insert, select, update

from airflow_priority_spark.scheduling.model import QueueKey
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store.models import Cluster, FlowOverride, Pool, PoolRule, Queue, Setting
from airflow_priority_spark.store.queues import ensure_queue, remember_cluster
from tests import builders
from tests.unit.arbiter.world import CLUSTER, World


def open_queue(world: World, namespace: str = "team-a", *, pools: dict[str, int] | None = None) -> None:
    """Make a queue before its first job comes."""
    with world.database.session() as session, session.begin():
        connection = builders.make_request().connection
        remember_cluster(session, connection.alias(), CLUSTER, "kubernetes_default", world.now)
        wanted = pools or {"high": 90, "normal": 10}
        ensure_queue(session, QueueKey(CLUSTER, namespace), wanted, world.now)


def set_cluster(world: World, **values) -> None:
    _write(world, update(Cluster).values(**values))


def set_queue(world: World, namespace: str = "team-a", **values) -> None:
    _write(world, update(Queue).where(Queue.namespace == namespace).values(**values))


def set_pool(world: World, name: str = "normal", **values) -> None:
    _write(world, update(Pool).where(Pool.name == name).values(**values))


def set_site(world: World, **values) -> None:
    with world.database.session() as session, session.begin():
        for key, value in values.items():
            session.merge(Setting(key=key, value=value, updated_at=world.now, updated_by="alice"))


def set_flow(world: World, scope: str, value: str, flow: str) -> None:
    row = {"scope": scope, "value": value, "flow": flow, "updated_at": world.now, "updated_by": "alice"}
    _write(world, insert(FlowOverride).values(**row))


def add_rule(world: World, position: int, pool: str, **lists) -> None:
    _write(world, insert(PoolRule).values(position=position, pool=pool, **lists))


def make_dag(
    world: World,
    dag_id: str = "etl",
    *,
    tags: tuple[str, ...] = (),
    team: str | None = None,
    paused: bool = False,
) -> None:
    """Make a DAG with tags, in the bundle of a team."""
    with world.database.session() as session, session.begin():
        builders.make_dag(session, dag_id, paused=paused)
        session.add_all(DagTag(name=tag, dag_id=dag_id) for tag in tags)
        if team is not None:
            session.add_all([Team(name=team), DagBundleModel(name=f"bundle of {team}")])
            session.flush()
            session.execute(insert(bundle_team).values(dag_bundle_name=f"bundle of {team}", team_name=team))
            session.get_one(DagModel, dag_id).bundle_name = f"bundle of {team}"


def pause_dag(world: World, dag_id: str = "etl", *, paused: bool = True) -> None:
    _write(world, update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=paused))


def pool_row(world: World, name: str = "normal") -> Pool:
    with world.database.session() as session:
        return session.scalars(select(Pool).where(Pool.name == name)).one()


def told(world: World, task_id: str) -> AdmissionEvent:
    """Return the event with which a task was resumed."""
    return AdmissionEvent.from_payload(deserialize(world.task(task_id).next_kwargs)["event"])


def _write(world: World, statement) -> None:
    with world.database.session() as session, session.begin():
        session.execute(statement)
