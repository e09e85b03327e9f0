# pivot_two. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_pivot_two")
def t_pivot_two():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("price", "quantity", "status")
    # wide: One row for each status, with columns for the values of quantity: total = sum(price) and n = count(*)
    return (
        orders
        .groupBy("status")
        .agg(
            F.expr("sum(price) FILTER (WHERE quantity = 1)").alias("1_total"),
            F.expr("count(*) FILTER (WHERE quantity = 1)").alias("1_n"),
            F.expr("sum(price) FILTER (WHERE quantity = 2)").alias("2_total"),
            F.expr("count(*) FILTER (WHERE quantity = 2)").alias("2_n"),
        )
    )
