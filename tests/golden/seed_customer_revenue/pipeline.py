# customer_revenue. Quartz schedule 0 0 6 * * ? in UTC.
# Generated from spec.yml; a change made here is not taken over.
# A check beside the target that fails makes the update fail, after the target was written: it is not rolled
# back.
# Not checked by Lakeflow: auto_customer_fresh. The last commit is at most 48 hours old in customer.
# Not checked by Lakeflow: auto_orders_fresh. The last commit is at most 48 hours old in orders.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customer = spark.conf.get("source_customer", "samples.tpch.customer")
source_orders = spark.conf.get("source_orders", "samples.tpch.orders")


@dp.temporary_view(name="customer")
@dp.expect("auto_customer_c_custkey_not_null", "c_custkey IS NOT NULL")
def customer():
    # customer: Read samples.tpch.customer
    return spark.read.table(source_customer).select("c_custkey", "c_name", "c_mktsegment")


@dp.temporary_view(name="orders")
@dp.expect("auto_orders_o_custkey_not_null", "o_custkey IS NOT NULL")
def orders():
    # orders: Read samples.tpch.orders
    return spark.read.table(source_orders).select("o_orderkey", "o_custkey", "o_totalprice")


@dp.materialized_view(name="customer_revenue")
@dp.expect_or_fail(
    "auto_target_key_not_null",
    "c_custkey IS NOT NULL AND c_name IS NOT NULL AND c_mktsegment IS NOT NULL",
)
def customer_revenue():
    customer = spark.read.table("customer")
    orders = spark.read.table("orders")
    # join_orders: Keep every row of customer and add what orders has for the same c_custkey = o_custkey
    join_orders = (
        customer
        .join(orders, F.col("c_custkey") == F.col("o_custkey"), "left")
        .select("c_custkey", "c_name", "c_mktsegment", "o_orderkey", "o_totalprice")
    )
    # revenue: One row for each c_custkey, c_name and c_mktsegment: revenue = sum(o_totalprice), order_count =
    # count(o_orderkey) and average_order_value = avg(o_totalprice)
    revenue = (
        join_orders
        .groupBy("c_custkey", "c_name", "c_mktsegment")
        .agg(
            F.sum("o_totalprice").alias("revenue"),
            F.count("o_orderkey").alias("order_count"),
            F.avg("o_totalprice").alias("average_order_value"),
        )
    )
    # segment: Label each row in segment: 'high value' for the top 20 % by revenue, else 'standard'
    segment = revenue.withColumn(
        "segment",
        F.expr(
            "CASE "
            "WHEN revenue IS NOT NULL AND percent_rank() OVER (ORDER BY revenue DESC NULLS LAST) < 0.2 THEN 'high value' "
            "ELSE 'standard' "
            "END"
        ),
    )
    return segment.select(
        "c_custkey",
        "c_name",
        "c_mktsegment",
        "revenue",
        "order_count",
        "average_order_value",
        "segment",
    )


# auto_target_rows: There is at least 1 row in the target
@dp.materialized_view(name="auto_target_rows", private=True)
@dp.expect_or_fail("auto_target_rows", "_rows >= 1")
def auto_target_rows():
    segment = spark.read.table("customer_revenue")
    return segment.agg(F.count("*").alias("_rows"))


# auto_target_key_unique: No two rows have the same c_custkey, c_name and c_mktsegment in the target
@dp.materialized_view(name="auto_target_key_unique", private=True)
@dp.expect_or_fail("auto_target_key_unique", "_failing = 0")
def auto_target_key_unique():
    segment = spark.read.table("customer_revenue")
    return (
        segment
        .groupBy("c_custkey", "c_name", "c_mktsegment")
        .agg(F.count("*").alias("_copies"))
        .where("_copies > 1")
        .agg(F.count("*").alias("_failing"))
    )
