# SPDX-License-Identifier: Apache-2.0
"""``make bench``: every benchmark of the queue, one table each, JSON to ``benchmarks/results/``.

``--full`` runs the sizes that take minutes; ``--only NAME`` one benchmark. A target that is missed is
printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if Path(sys.path[0]).resolve() == ROOT / "benchmarks":
    sys.path[0] = str(ROOT)

from rich.console import Console  # noqa: E402  (what is below needs the line above)

#: In the order in which they are run: from the pure core to the whole store.
BENCHMARKS = ("decisions", "simulator", "cycle", "rates", "baseline", "metrics", "api")


def main() -> int:
    """Run them; return 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="the sizes that take minutes too")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="only this one (several times)")
    options = parser.parse_args()
    names = options.only or BENCHMARKS
    if len(names) > 1:
        # A process each: Airflow keeps for good what it once read of its configuration.
        command = [sys.executable, __file__, *(["--full"] if options.full else [])]
        codes = [subprocess.run([*command, "--only", name], check=False).returncode for name in names]
        return int(any(codes))
    figures = importlib.import_module(f"benchmarks.bench_{names[0]}").run(full=options.full)
    console = Console(width=200)
    figures.show(console)
    console.print(f"  written to {figures.save().relative_to(ROOT)}\n")
    return int(any(target.reached is False for target in figures.targets))


if __name__ == "__main__":
    sys.exit(main())
