# join_inner. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_inner")
def t_join_inner():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # joined: Match each row of customers with the rows of orders that have the same id = customer_id; rows
    # without a match leave
    joined = customers.join(orders, F.col("id") == F.col("customer_id"), "inner")
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
        "status",
        "tags",
        "detail",
    )
