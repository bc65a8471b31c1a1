# SPDX-License-Identifier: Apache-2.0
"""What an import costs: every Airflow process pays for it, also those that never run a Spark job."""

import json
import subprocess
import sys

import pytest

HEAVY = ("kubernetes", "kubernetes_asyncio", "fastapi", "sqlalchemy")
# Rooms that load SQLAlchemy tables or the Kubernetes client.
HEAVY_ROOMS = ("store", "cluster", "operators", "triggers", "api", "metrics")


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return set(json.loads(printed.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", HEAVY)
def test_the_package_loads_nothing_heavy(module):
    assert module not in loaded_by("import airflow_priority_spark")


def test_the_provider_info_loads_nothing_heavy():
    loaded = loaded_by("from airflow_priority_spark.provider import get_provider_info; get_provider_info()")
    assert loaded.isdisjoint(HEAVY)
    assert not any(name.split(".")[0] == "airflow" for name in loaded)


@pytest.mark.parametrize(
    "module",
    ["airflow_priority_spark.plugin.plugin", "airflow_priority_spark.cli.definition"],
)
def test_what_airflow_loads_in_every_process_loads_no_heavy_room(module):
    added = loaded_by(f"import {module}") - loaded_by(
        "import airflow.cli.cli_config, airflow.plugins_manager"
    )
    ours = {name.split(".")[1] for name in added if name.startswith("airflow_priority_spark.")}
    assert ours.isdisjoint(HEAVY_ROOMS)
    assert added.isdisjoint({"kubernetes", "kubernetes_asyncio", "aiohttp", "fastapi"})


def test_the_supervisor_loads_nothing_but_the_standard_library():
    loaded = loaded_by("import airflow_priority_spark.arbiter.supervisor")
    foreign = {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    started_with = {name.split(".")[0] for name in loaded_by("pass")}
    assert foreign - started_with == {"airflow_priority_spark"}
