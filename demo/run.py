# SPDX-License-Identifier: Apache-2.0
"""``make demo``: real Spark jobs, submitted by real Airflow, wait for room and start when there is some.

Usage: ``python demo/run.py [--keep] [--kubeconfig PATH]``. Exit code 0 when everything came as it had
to, 1 when anything differed, 130 when it was interrupted. Whatever happens, what it started is ended.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if Path(sys.path[0]).resolve() == ROOT / "demo":
    # Started as a file, Python looks for modules beside it, where `site.py` would hide its own.
    sys.path[0] = str(ROOT)

from rich.console import Console  # noqa: E402  (what is below needs the line above)

from airflow_priority_spark.embedded.process import ClusterDidNotStart  # noqa: E402
from demo.places import Place, UnsuitableCluster, embedded_place, real_place  # noqa: E402
from demo.plan import DAGS, dag_ids  # noqa: E402
from demo.rest import ApiRefused  # noqa: E402
from demo.site import AirflowSite, SiteError  # noqa: E402

INTERRUPTED: Final = 130
#: Of prints that do not go to a terminal.
PLAIN_WIDTH: Final = 130
_FAULTS: Final = (SiteError, ClusterDidNotStart, UnsuitableCluster, ApiRefused, TimeoutError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    directory = ROOT / ".demo" / time.strftime(f"%Y%m%d-%H%M%S-{os.getpid()}")
    directory.mkdir(parents=True)
    code = 1
    try:
        with ExitStack() as stack:
            code = _run(console, directory, options, stack)
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has ended.")
        code = INTERRUPTED
    except _FAULTS as fault:
        console.print(f"The demo could not go on: {fault}", markup=False, style="red", soft_wrap=True)
    if code == 1 and any(directory.iterdir()):
        console.print(f"Logs: {directory}", soft_wrap=True)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--kubeconfig", type=Path, help="run on this cluster, which has the Spark operator")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(console: Console, directory: Path, options: argparse.Namespace, stack: ExitStack) -> int:
    began = time.monotonic()
    console.print("Starting a cluster and Airflow; this takes about a minute.")
    place = stack.enter_context(_place(directory, options.kubeconfig))
    console.print(f"Cluster: {place.describe}", soft_wrap=True)
    site = stack.enter_context(_site(directory, place))
    console.print(f"Airflow: {site.api.base_url}; its files and logs: {site.directory}", soft_wrap=True)
    dags = dag_ids(own_namespaces=not place.is_own)
    site.migrate()
    site.start()
    site.wait_healthy()
    site.wait_dags(*dags)
    # Only now: it reads the database through the product's code, which wants this Airflow's settings.
    from demo.play import Play

    passed = Play(console, site, place, dags).run(began)
    if options.keep:
        _keep(console, site)
    return 0 if passed else 1


def _place(directory: Path, kubeconfig: Path | None) -> AbstractContextManager[Place]:
    if kubeconfig is not None:
        return real_place(kubeconfig.expanduser().resolve())
    return embedded_place(directory / "cluster")


def _site(directory: Path, place: Place) -> AirflowSite:
    os.environ.update(place.environment)
    site = AirflowSite(directory / "airflow", dags=DAGS, kubeconfig=place.kubeconfig, config=place.config)
    os.environ.update(site.variables)
    return site


def _keep(console: Console, site: AirflowSite) -> None:
    """Say where to look, and wait for Ctrl-C."""
    console.print(f"\nStill running. Airflow's UI: {site.api.base_url}", soft_wrap=True)
    console.print(f"A shell for it: source {site.environment_file}", soft_wrap=True)
    console.print("then, for example: .venv/bin/airflow priority-spark job list --state all")
    console.print("Stop with Ctrl-C, which also removes its files.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("Stopping.")


if __name__ == "__main__":
    sys.exit(main())
