# SPDX-License-Identifier: Apache-2.0
"""The app that the plugin mounts at ``/priority-spark``.

It serves the API under ``/api/v1`` with its description, a page that shows the description, and the built
pages of the queue view under ``/static``. Made by a function, so that a test or a benchmark starts it alone.
"""

from __future__ import annotations

from typing import Final

from airflow.configuration import conf
from fastapi import FastAPI

import airflow_priority_spark
from airflow_priority_spark.api import openapi, problems
from airflow_priority_spark.api.guard import Guard
from airflow_priority_spark.api.routes import ROUTERS, docs
from airflow_priority_spark.plugin.bundle import static_files

#: Where Airflow mounts the app.
MOUNT: Final = "/priority-spark"
API: Final = "/api/v1"


def create_app() -> FastAPI:
    """Return the app; the API server that mounts it brings the auth manager."""
    app = FastAPI(
        title="Priority Spark",
        version=airflow_priority_spark.__version__,
        description=openapi.DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=API)
    app.include_router(docs.router)
    app.mount("/static", static_files(), name="static")
    app.add_middleware(Guard, base_url=conf.get("api", "base_url", fallback=""))
    openapi.install(app)
    return app
