# SPDX-License-Identifier: Apache-2.0
"""What Airflow's FAB provider is told about the queue, where it is installed.

Airflow starts a Flask app for such views and cannot start at all without the provider, so nothing is
registered then. Nothing of Flask is imported before the API server asks.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

#: Below it Airflow mounts the Flask app of such views.
MOUNT: Final = "/pluginsv2"
LIST: Final = f"{MOUNT}/priority-spark-jobs/list/"
NAME: Final = "Spark jobs (list)"


def fab_is_installed() -> bool:
    """Tell whether Airflow can serve Flask-AppBuilder views."""
    try:
        return (
            find_spec("airflow.providers.fab.www.app") is not None
            and find_spec("flask_appbuilder") is not None
        )
    except ModuleNotFoundError:
        return False


def appbuilder_views() -> list[dict[str, Any]]:
    """Return what ``AirflowPlugin.appbuilder_views`` holds: the list of jobs, or nothing."""
    if not fab_is_installed():
        return []
    from airflow_priority_spark.plugin.fab_view import JobList

    return [{"name": NAME, "category": "Browse", "view": JobList()}]


def appbuilder_menu_items() -> list[dict[str, Any]]:
    """Return what ``AirflowPlugin.appbuilder_menu_items`` holds: an entry of Airflow's own menu."""
    if not fab_is_installed():
        return []
    return [{"name": NAME, "category": "Browse", "href": LIST}]
