# SPDX-License-Identifier: Apache-2.0
"""The cluster's own process: ``python -m airflow_priority_spark.embedded``."""

from __future__ import annotations

import asyncio
import logging
import sys

from airflow_priority_spark.embedded.serving import serve
from airflow_priority_spark.embedded.settings import ClusterSettings, parser
from airflow_priority_spark.errors import InvalidInput


def main() -> int:
    """Serve the described cluster until told to stop."""
    arguments = parser()
    arguments.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    args = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(ClusterSettings.from_arguments(args), stop_with_stdin=args.stop_with_stdin))
    except (InvalidInput, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
