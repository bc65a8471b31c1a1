# SPDX-License-Identifier: Apache-2.0
"""What a person may set for the whole site: limits, rules for heads, clusters, rules that assign pools.

Called and recorded like those of ``job_actions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.arbiter.acting import By, audit, line_up
from airflow_priority_spark.arbiter.queue_actions import Change, as_details, write_changes
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.store.models import Cluster, PoolRule, Setting
from airflow_priority_spark.store.queues import cluster_of_alias

SITE_FIELDS: Final = tuple(configuration.Site.model_fields)
CLUSTER_FIELDS: Final = tuple(configuration.Cluster.model_fields)
RULE_FIELDS: Final = tuple(configuration.Rule.model_fields)


def site_values(session: Session) -> dict[str, Any]:
    """Return the site's settings that are kept in the tables; what is not there is the configuration's."""
    rows = session.scalars(select(Setting).where(Setting.key.in_(SITE_FIELDS)))
    return {row.key: row.value for row in rows}


def set_site(session: Session, values: Mapping[str, Any], by: By) -> tuple[Change, ...]:
    """Change settings of the site.

    :param values: of ``configuration.Site``; ``None`` goes back to ``[priority_spark]``, what is not named
        stays.
    :raises InvalidInput: naming the key, its value and what is allowed.
    """
    line_up(session)
    current = site_values(session)
    wanted = configuration.checked(configuration.Site, {**current, **values}, "site").given()
    changes = tuple(
        Change("site", key, current.get(key), wanted.get(key))
        for key in SITE_FIELDS
        if current.get(key) != wanted.get(key)
    )
    for change in changes:
        session.execute(delete(Setting).where(Setting.key == change.key))
        if change.after is not None:
            row = Setting(key=change.key, value=change.after)
            row.updated_at, row.updated_by = by.now, by.actor[:250]
            session.add(row)
    if changes:
        audit(session, by, "set", "site", "site", changed=as_details(changes))
    return changes


def find_cluster(session: Session, name: str) -> Cluster:
    """Return a cluster by its name, its id, or an Airflow connection that leads to it.

    :raises NotFound: naming the clusters there are.
    """
    found = session.scalar(select(Cluster).where(Cluster.name == name)) or session.get(Cluster, name)
    if found is None:
        cluster_id = cluster_of_alias(session, ConnectionRef(conn_id=name).alias())
        found = session.get(Cluster, cluster_id) if cluster_id else None
    if found is None:
        known = ", ".join(session.scalars(select(Cluster.name).order_by(Cluster.name))) or "none"
        raise NotFound(
            f"no cluster is called {name!r}; known clusters: {known}. A cluster gets known, by the id of its "
            "Airflow connection, when a job or a declarative file first names that connection"
        )
    return found


def set_cluster(session: Session, cluster_id: str, values: Mapping[str, Any], by: By) -> tuple[Change, ...]:
    """Change settings of a cluster.

    :param values: of ``configuration.Cluster``; ``None`` inherits, what is not named stays.
    :raises InvalidInput: naming the key, its value and what is allowed.
    """
    line_up(session)
    cluster = session.get_one(Cluster, cluster_id, with_for_update=True, populate_existing=True)
    where = f"cluster {cluster.name}"
    current = {key: getattr(cluster, key) for key in CLUSTER_FIELDS}
    wanted = configuration.checked(configuration.Cluster, {**current, **values}, where)
    changes = write_changes(cluster, where, current, wanted.model_dump())
    if changes:
        audit(session, by, "set", "cluster", cluster.name, changed=as_details(changes))
    return changes


def rules(session: Session) -> list[configuration.Rule]:
    """Return the rules that assign pools, in the order in which they are tried."""
    rows = session.scalars(select(PoolRule).order_by(PoolRule.position, PoolRule.id))
    found = []
    for row in rows:
        values = {key: getattr(row, key) for key in RULE_FIELDS}
        found.append(configuration.Rule(**{key: value for key, value in values.items() if value is not None}))
    return found


def set_rules(session: Session, wanted: Sequence[configuration.Rule], by: By) -> tuple[Change, ...]:
    """Replace all rules that assign pools."""
    line_up(session)
    current = rules(session)
    changes = []
    for number in range(max(len(current), len(wanted))):
        before = current[number].given() if number < len(current) else None
        after = wanted[number].given() if number < len(wanted) else None
        if before != after:
            changes.append(Change(f"rule {number + 1}", "", before, after))
    if changes:
        session.execute(delete(PoolRule))
        for position, rule in enumerate(wanted):
            given = rule.given()
            session.add(PoolRule(position=position, **{key: given.get(key) for key in RULE_FIELDS}))
        details = {change.where: [change.before, change.after] for change in changes}
        audit(session, by, "set", "rules", "rules", changed=details)
    return tuple(changes)
