# SPDX-License-Identifier: Apache-2.0
"""What Airflow's plugin manager loads.

Imported in every Airflow process, so it imports next to nothing. It registers no listener on
purpose: any registered listener breaks DAGs that use ``end_from_trigger`` (Airflow's
``dag_processing/dagbag.py``); ``on_load`` is enough to learn that a scheduler starts.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from airflow_priority_spark.plugin import fab
from airflow_priority_spark.plugin.launch import start_supervisor
from airflow_priority_spark.plugin.react_apps import react_apps
from airflow_priority_spark.plugin.weights import PriorityPoolWeight


class PrioritySparkPlugin(AirflowPlugin):
    """Starts the arbiter's supervisor with each scheduler; offers a weight strategy and the API."""

    name = "priority_spark"
    priority_weight_strategies: ClassVar = [PriorityPoolWeight]
    react_apps: ClassVar = react_apps()

    @classmethod
    def on_load(cls, *_args: Any, **_kwargs: Any) -> None:
        """Be told that plugins are loaded; may come several times per process."""
        start_supervisor()

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The API and the queue view; made when the API server asks, no other process pays for it."""
        from airflow_priority_spark.api.app import MOUNT, create_app

        return [{"app": create_app(), "url_prefix": MOUNT, "name": "Priority Spark"}]

    @cached_property
    def appbuilder_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The list of jobs for sites with the FAB provider; empty without it."""
        return fab.appbuilder_views()

    @cached_property
    def appbuilder_menu_items(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The menu entry of that list."""
        return fab.appbuilder_menu_items()
