# expect_fail_passes. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
# A check beside the target that fails makes the update fail, after the target was written: it is not rolled
# back.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_expect_fail_passes")
@dp.expect_or_fail("check_not_null", "order_id IS NOT NULL")
def t_expect_fail_passes():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "customer_id", "price", "status")
    # slim: Keep the columns order_id, customer_id, price and status
    return orders.select("order_id", "customer_id", "price", "status")


# check_range: price is at least -10 and at most 1000.5 in orders
@dp.materialized_view(name="check_range", private=True)
@dp.expect_or_fail("check_range", "10 * check_range <= _rows")
def check_range():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "customer_id", "price", "status")
    return orders.agg(
        F.count("*").alias("_rows"),
        F.expr("count_if(price < -10 OR price > 1000.5)").alias("check_range"),
    )


# check_row_count: There is at least 1 row in the target
@dp.materialized_view(name="check_row_count", private=True)
@dp.expect_or_fail("check_row_count", "_rows >= 1")
def check_row_count():
    slim = spark.read.table("t_expect_fail_passes")
    return slim.agg(F.count("*").alias("_rows"))


# check_unique: No two rows have the same order_id, customer_id and status in slim
@dp.materialized_view(name="check_unique", private=True)
@dp.expect_or_fail("check_unique", "2 * _failing <= coalesce(_rows, 0)")
def check_unique():
    slim = spark.read.table("t_expect_fail_passes")
    return (
        slim
        .groupBy("order_id", "customer_id", "status")
        .agg(F.count("*").alias("_copies"))
        .agg(F.sum("_copies").alias("_rows"), F.expr("count_if(_copies > 1)").alias("_failing"))
    )
