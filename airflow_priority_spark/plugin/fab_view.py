# SPDX-License-Identifier: Apache-2.0
"""Jobs as a page that the server renders, with filters and CSV: Flask-AppBuilder's list of a table.

Who looks is who Airflow's own pages take them for, the token of the session cookie: this app shares no
session with the FAB auth manager's, and other managers know nothing of Flask. To look, one needs the right
to read the queue resource, which FAB's role editor shows, and sees jobs of DAGs one may read.
It only shows; acting is the REST API's.
"""

from __future__ import annotations

import asyncio
import csv
import datetime
import io
from typing import Any, ClassVar, Final

from airflow import settings as airflow_settings
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.core_api.security import resolve_user_from_token
from fastapi import HTTPException
from flask import Blueprint, Response, g, redirect, request
from flask_appbuilder import ModelView, expose
from flask_appbuilder.models.sqla.filters import FilterInFunction
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.decorators import has_access
from flask_appbuilder.urltools import get_filter_args
from werkzeug.wrappers import Response as BaseResponse

from airflow_priority_spark.api.access import QUEUE_RESOURCE
from airflow_priority_spark.store.models import Job

#: Rows of one download.
_MOST: Final = 100_000
_COLUMNS: Final = (
    "id", "dag_id", "run_id", "task_id", "map_index", "try_number", "pool", "state", "flow", "user", "team",
    "service", "blocking_resource", "reason", "application_name", "queued_at", "admitted_at", "started_at",
    "ended_at",
)  # fmt: skip
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _readable() -> list[str]:
    """Return the DAGs whose jobs may be read."""
    with airflow_settings.NonScopedSession() as session:
        return sorted(get_auth_manager().get_authorized_dag_ids(user=g.user, session=session))


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text


def _word(value: str | None) -> str:
    return value or ""


def _instant(value: datetime.datetime) -> str:
    return f"{value.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


class JobList(ModelView):
    """The list of jobs, newest first."""

    route_base = "/priority-spark-jobs"
    datamodel = SQLAInterface(Job)
    class_permission_name = QUEUE_RESOURCE
    #: Edit is asked by the REST API; it is named here so that the role editor shows it.
    base_permissions: ClassVar = ["can_read", "can_edit"]
    #: The last is no right of anybody: lists of this kind offer forms that would change rows past every rule.
    method_permission_name: ClassVar = {"list": "read", "show": "read", "csv": "read", "edit": "nothing"}
    include_route_methods: ClassVar = {"list", "show", "csv"}
    list_title = "Spark jobs"
    list_columns: ClassVar = [
        "dag_id", "task_id", "run_id", "pool", "state", "user", "blocking_resource", "reason", "queued_at",
    ]  # fmt: skip
    show_columns: ClassVar = list(_COLUMNS)
    search_columns: ClassVar = [
        "dag_id", "task_id", "run_id", "pool", "state", "flow", "user", "team", "service",
        "blocking_resource", "reason", "queued_at", "ended_at",
    ]  # fmt: skip
    formatters_columns: ClassVar = {"blocking_resource": _word, "queued_at": _instant}
    base_order = ("queued_at", "desc")
    base_filters: ClassVar = [["dag_id", FilterInFunction, _readable]]
    page_size = 50

    def create_blueprint(self, appbuilder: Any, **options: Any) -> Blueprint:
        """Make the routes, each behind the question who asks."""
        blueprint = super().create_blueprint(appbuilder, **options)
        blueprint.before_request(self._identify)
        return blueprint

    def _identify(self) -> BaseResponse | None:
        """Let pass who may read the queue resource; send others to sign in, or away."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = request.cookies.get(COOKIE_NAME_JWT_TOKEN) or bearer
        try:
            g.user = asyncio.run(resolve_user_from_token(token or None))
        except HTTPException as error:
            if "text/html" in request.headers.get("Accept", ""):
                return redirect(get_auth_manager().get_url_login())
            return Response(str(error.detail), error.status_code, mimetype="text/plain")
        if not self.appbuilder.sm.has_access("can_read", self.class_permission_name, user=g.user):
            sentence = f"You need the right to read {QUEUE_RESOURCE!r}."
            return Response(sentence, 403, mimetype="text/plain")
        return None

    @expose("/csv/")
    @has_access
    def csv(self) -> Response:
        """Give the rows that the filters select as CSV."""
        get_filter_args(self._filters)
        joined = self._filters.get_joined_filters(self._base_filters)
        _, rows = self.datamodel.query(joined, "queued_at", "desc", page=0, page_size=_MOST)
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(_COLUMNS)
        writer.writerows([_cell(getattr(row, name)) for name in _COLUMNS] for row in rows)
        headers = {
            "Content-Disposition": 'attachment; filename="spark-jobs.csv"',
            "Cache-Control": "no-store",
        }
        return Response(out.getvalue(), mimetype="text/csv", headers=headers)
