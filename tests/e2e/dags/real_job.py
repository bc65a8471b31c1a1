# SPDX-License-Identifier: Apache-2.0
"""A real PySpark program: it prints a number that only Spark could have counted."""

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("real job").getOrCreate()
print("the sum of one to a thousand is", spark.sparkContext.parallelize(range(1, 1001), 4).sum())
spark.stop()
