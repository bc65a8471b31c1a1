# SPDX-License-Identifier: Apache-2.0
"""Estimates pi by throwing points at a square: ``monte_carlo_pi.py [POINTS] [PARTITIONS]``."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from pyspark.sql import SparkSession


def hits(points: int, seed: int) -> Iterator[int]:
    """Count the points that fall into the quarter circle."""
    chance = random.Random(seed)
    yield sum(chance.random() ** 2 + chance.random() ** 2 <= 1 for _ in range(points))


def main(points: str = "1000000", partitions: str = "4") -> None:
    spark = SparkSession.builder.appName("monte carlo pi").getOrCreate()
    parts = int(partitions)
    each = int(points) // parts
    inside = (
        spark.sparkContext.range(parts, numSlices=parts)
        .mapPartitionsWithIndex(lambda index, _: hits(each, seed=index))
        .sum()
    )
    print(f"pi is roughly {4 * inside / (each * parts):.4f} ({each * parts} points)")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
