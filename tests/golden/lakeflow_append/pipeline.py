# lakeflow_append. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
# Each row of orders is read once; a source that is changed or rewritten stops the update.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.temporary_view(name="orders")
@dp.expect_or_drop("order_known", "order_id IS NOT NULL")
def orders():
    # orders: Read dev.default.orders
    return spark.readStream.table(source_orders)


@dp.temporary_view(name="paid_looked_up")
@dp.expect_or_drop("customer_known", "_customer_known_1 IS NOT NULL OR customer_id IS NULL")
def paid_looked_up():
    orders = spark.readStream.table("orders")
    # paid: Keep the rows of orders where price > 0
    paid = orders.where("price > 0")
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers).select("id", "region")
    # customer_known: customer_id occurs in customers as id in paid
    return paid.join(
        customers.select(F.col("id").alias("_customer_known_1")).distinct(),
        F.col("customer_id") == F.col("_customer_known_1"),
        "left",
    )


@dp.temporary_view(name="paid")
def paid():
    return spark.readStream.table("paid_looked_up").select(
        "order_id",
        "customer_id",
        "price",
        "quantity",
        "weight",
        "ordered",
        "at",
        "status",
        "tags",
        "detail",
    )


@dp.table(
    name="t_lakeflow_append",
    comment="Paid orders with the region of their customer",
    cluster_by=["region"],
)
@dp.expect("small", "NOT coalesce(price > 1000, FALSE)")
def t_lakeflow_append():
    paid = spark.readStream.table("paid")
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers).select("id", "region")
    # with_region: Keep every row of paid and add what customers has for the same customer_id = id
    return (
        paid
        .join(customers, F.col("customer_id") == F.col("id"), "left")
        .select(
            "order_id",
            "customer_id",
            "price",
            "quantity",
            "weight",
            "ordered",
            "at",
            "status",
            "tags",
            "detail",
            "region",
        )
    )


# once: No two rows have the same order_id in the target
@dp.materialized_view(name="once", private=True)
@dp.expect("once", "_failing = 0")
def once():
    with_region = spark.read.table("t_lakeflow_append")
    return (
        with_region
        .groupBy("order_id")
        .agg(F.count("*").alias("_copies"))
        .where("_copies > 1")
        .agg(F.count("*").alias("_failing"))
    )
