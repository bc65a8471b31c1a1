# SPDX-License-Identifier: Apache-2.0
"""Joins orders with products and adds up what each group sold: ``join_aggregate.py [COLUMN]``."""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

DATA = Path(__file__).resolve().parent.parent / "data"


def read_table(spark: SparkSession, name: str, schema: str) -> DataFrame:
    return spark.read.csv((DATA / f"{name}.csv").as_uri(), header=True, schema=schema)


def main(column: str = "kind") -> None:
    spark = SparkSession.builder.appName("join and aggregate").getOrCreate()
    orders = read_table(
        spark, "orders", "order_id INT, day DATE, harbour STRING, product_id INT, quantity INT"
    )
    products = read_table(
        spark, "products", "product_id INT, product STRING, kind STRING, price DECIMAL(8,2)"
    )
    sold = orders.join(products, "product_id").withColumn("amount", f.col("quantity") * f.col("price"))
    totals = sold.groupBy(column).agg(
        f.count("order_id").alias("orders"),
        f.sum("quantity").alias("pieces"),
        f.sum("amount").alias("amount"),
    )
    for row in totals.orderBy(f.desc("amount"), column).collect():
        print(f"{row[column]!s:<14} {row['orders']:>5} orders {row['pieces']:>6} pieces {row['amount']:>12}")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
