# SPDX-License-Identifier: Apache-2.0
"""Counts the words of a text: ``word_count.py [FILE]``."""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

DATA = Path(__file__).resolve().parent.parent / "data"


def main(file: str = "lighthouse.txt") -> None:
    spark = SparkSession.builder.appName("word count").getOrCreate()
    lines = spark.read.text((DATA / file).as_uri())
    words = lines.select(f.explode(f.split(f.lower("value"), "[^a-z']+")).alias("word")).where("word != ''")
    counts = words.groupBy("word").count().orderBy(f.desc("count"), "word").cache()
    print(f"{file}: {words.count()} words, {counts.count()} different ones")
    for row in counts.take(10):
        print(f"{row['count']:>6}  {row['word']}")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
