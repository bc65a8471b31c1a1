# SPDX-License-Identifier: Apache-2.0
"""Who may see and do what, as Airflow's auth manager says.

A job belongs to its DAG: whoever may read the DAG's task instances reads it, whoever may edit the DAG's runs
acts on it. What belongs to everybody, a queue's weights and limits, an administrator changes.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import HTTPException
from sqlalchemy.orm import Session

#: What FAB's role editor calls the right to edit queues, limits and flows.
QUEUE_RESOURCE: Final = "Priority Spark Queues"


class Access:
    """The rights of one user during one request; asked for when needed, each once."""

    def __init__(self, user: BaseUser, session: Session) -> None:
        self.user, self._session = user, session
        self._manager: BaseAuthManager[Any] = get_auth_manager()
        self._acts: dict[str, bool] = {}

    @property
    def name(self) -> str:
        """What the user is called in events and audits."""
        return self.user.get_name()

    def require_any(self) -> None:
        """Let pass who may read task instances of any DAG.

        :raises HTTPException: 403.
        """
        if not self._manager.is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.TASK_INSTANCE, user=self.user
        ):
            raise HTTPException(403, "you need the right to read task instances")

    @cached_property
    def readable(self) -> frozenset[str]:
        """The DAGs whose jobs may be read, of those that Airflow knows."""
        return frozenset(self._manager.get_authorized_dag_ids(user=self.user, session=self._session))

    def may_read(self, dag_id: str) -> bool:
        """Tell whether the jobs of a DAG may be read."""
        return self._manager.is_authorized_dag(
            method="GET",
            access_entity=DagAccessEntity.TASK_INSTANCE,
            details=self._details(dag_id),
            user=self.user,
        )

    def may_act(self, dag_id: str) -> bool:
        """Tell whether the jobs of a DAG may be acted on."""
        if dag_id not in self._acts:
            self._acts[dag_id] = self._manager.is_authorized_dag(
                method="PUT",
                access_entity=DagAccessEntity.RUN,
                details=self._details(dag_id),
                user=self.user,
            )
        return self._acts[dag_id]

    def may_act_at_all(self) -> bool:
        """Tell whether there is a DAG whose jobs may be acted on."""
        known: Collection[str] = self._manager.get_authorized_dag_ids(
            user=self.user, method="PUT", session=self._session
        )
        return any(self.may_act(dag_id) for dag_id in known)

    @cached_property
    def may_edit_queues(self) -> bool:
        """Tell whether queues, limits and flows may be changed: an administrator's right.

        Managers do not agree on what an administrator is. FAB has a resource for it that its role editor
        shows, which at first only Admin may edit. The simple manager lets operators edit Airflow's
        configuration, so there the role is asked; every other manager is asked about the configuration.
        """
        kind = type(self._manager).__name__
        if kind == "FabAuthManager":
            return self._manager.is_authorized_custom_view(
                method="PUT", resource_name=QUEUE_RESOURCE, user=self.user
            )
        allowed = self._manager.is_authorized_configuration(method="PUT", user=self.user)
        if kind == "SimpleAuthManager":
            return allowed and (getattr(self.user, "role", None) or "").upper() == "ADMIN"
        return allowed

    def _details(self, dag_id: str) -> DagDetails:
        team = None
        if conf.getboolean("core", "multi_team"):
            team = DagModel.get_team_name(dag_id, session=self._session)
        return DagDetails(id=dag_id, team_name=team)
