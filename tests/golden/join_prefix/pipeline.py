# join_prefix. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_prefix")
def t_join_prefix():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # renamed: Rename status to region
    renamed = orders.withColumnRenamed("status", "region")
    # joined: Match each row of customers with the rows of renamed that have the same id = customer_id; rows
    # without a match leave
    joined = customers.join(
        renamed.select(
            "order_id",
            "customer_id",
            "price",
            "quantity",
            "weight",
            "ordered",
            "at",
            F.col("region").alias("o_region"),
            "tags",
            "detail",
        ),
        F.col("id") == F.col("customer_id"),
        "inner",
    )
    return joined.select(
        "id",
        "name",
        "region",
        "balance",
        "since",
        "active",
        "order_id",
        "customer_id",
        "price",
        "quantity",
        "weight",
        "ordered",
        "at",
        "o_region",
        "tags",
        "detail",
    )
