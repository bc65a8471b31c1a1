# SPDX-License-Identifier: Apache-2.0
"""Tries an installed wheel: Airflow must find everything that the package brings.

Run by ``build-release`` with the Python of a clean environment, isolated from this directory. It uses the
``airflow`` command as a person does, on a SQLite database of its own.

    python -I scripts/smoke.py AIRFLOW_HOME
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PACKAGE = "airflow-provider-priority-spark"
#: What reaches the commands of a person's environment would be tried instead of the wheel.
_OWN = ("PATH", "HOME", "LANG", "TMPDIR")


def airflow(home: Path, *arguments: str) -> str:
    """Run an ``airflow`` command and return what it prints.

    :raises SystemExit: with its output, when it fails.
    """
    environment = {name: os.environ[name] for name in _OWN if name in os.environ}
    environment.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
    )
    command = [str(Path(sys.executable).parent / "airflow"), *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def installed() -> None:
    """Look whether the package is the wheel's, whole, and of one version."""
    import airflow_priority_spark

    place = Path(airflow_priority_spark.__file__).parent
    expect("site-packages" in place.parts, f"imported from {place}, not from the wheel")
    version = airflow_priority_spark.__version__
    expect(metadata.version(PACKAGE) == version, f"metadata say {metadata.version(PACKAGE)}, not {version}")
    for part in ("store/migrations/versions", "plugin/www/dist/main.js", "embedded/builtin_types.json"):
        expect((place / part).exists(), f"{part} is missing")


def used(home: Path) -> None:
    """Look whether Airflow finds provider, plugin, commands, options and tables."""
    providers = json.loads(airflow(home, "providers", "list", "--output", "json"))
    expect(PACKAGE in {one["package_name"] for one in providers}, "airflow providers list does not name it")
    plugins = json.loads(airflow(home, "plugins", "--output", "json"))
    expect("priority_spark" in {one["name"] for one in plugins}, "airflow plugins does not name it")
    said = airflow(home, "priority-spark", "--help")
    for command in ("arbiter", "exporter", "doctor", "unpark", "queue", "job"):
        expect(command in said, f"airflow priority-spark --help does not name {command}")
    option = airflow(home, "config", "get-value", "priority_spark", "arbiter").split()
    expect(option[-1] == "scheduler", f"[priority_spark] arbiter is {option}")
    airflow(home, "db", "migrate")
    expect("leader" in airflow(home, "priority-spark", "status"), "status does not say who leads")


def expect(holds: bool, otherwise: str) -> None:
    """End with a message unless something holds."""
    if not holds:
        sys.exit(f"smoke test: {otherwise}")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True)
    installed()
    used(place)
    print(f"smoke test passed: {PACKAGE} {metadata.version(PACKAGE)} on Python {sys.version.split()[0]}")
