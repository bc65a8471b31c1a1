# SPDX-License-Identifier: Apache-2.0
"""How long ``import airflow_priority_spark`` takes: best of five fresh interpreters.

The budget is 50 ms. Run: ``python benchmarks/bench_import.py``; exit code 1 above the budget.
"""

from __future__ import annotations

import subprocess
import sys

BUDGET_MS = 50.0
CODE = """
import time
started = time.perf_counter()
import airflow_priority_spark
print((time.perf_counter() - started) * 1000)
"""


def measure() -> float:
    """Return the milliseconds of one import in a fresh interpreter."""
    printed = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    return float(printed.stdout)


def main() -> int:
    runs = [measure() for _ in range(5)]
    print(f"import airflow_priority_spark: {min(runs):.1f} ms (best of {len(runs)}; budget {BUDGET_MS:g} ms)")
    return int(min(runs) > BUDGET_MS)


if __name__ == "__main__":
    sys.exit(main())
