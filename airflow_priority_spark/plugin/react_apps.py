# SPDX-License-Identifier: Apache-2.0
"""Where the queue view appears in the Airflow UI: the navigation, and tabs of a task instance, a run, a DAG.

Airflow's browser code imports ``bundle_url`` and then takes the component from a global of the app's
``name``. A module is executed once however often it is imported, so all four share one bundle, which sets
these names itself and tells the place from what the host hands over. Addresses are relative: the browser
resolves them against the base address of the page, so that an Airflow below a path (``[api] base_url``)
needs no setting of ours.

Airflow's plugin manager drops an app without a ``url_route`` of its own, and removes dropped ones from
this list: it stays a list.
"""

from __future__ import annotations

from typing import Any, Final

#: Below it the plugin's FastAPI app is mounted; no leading slash, see above.
STATIC: Final = "priority-spark/static"
#: What people read there, ten letters in the navigation; also in ``www/src/main.tsx``, a test compares both.
NAMES: Final = {
    "nav": "Spark jobs",
    "task_instance": "Spark queue",
    "dag_run": "Spark jobs",
    "dag": "Spark jobs",
}
_ROUTES: Final = {
    "nav": "spark-queues",
    "task_instance": "spark-queue",
    "dag_run": "spark-jobs",
    "dag": "spark-jobs-of-dag",
}


def react_apps() -> list[dict[str, Any]]:
    """Return what ``AirflowPlugin.react_apps`` holds: one entry per place."""
    return [_app(destination) for destination in NAMES]


def _app(destination: str) -> dict[str, Any]:
    return {
        "name": NAMES[destination],
        "bundle_url": f"{STATIC}/main.js",
        "destination": destination,
        "url_route": _ROUTES[destination],
        "icon": f"{STATIC}/icon.svg",
        "icon_dark_mode": f"{STATIC}/icon-dark.svg",
        # Read by Airflow for ``nav`` only: an entry of its own, not one behind the "Plugins" button.
        "nav_top_level": True,
    }
