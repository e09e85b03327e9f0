# join_full. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_full")
def t_join_full():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # joined: Keep every row of customers and of orders, matched where they have the same id = customer_id
    joined = customers.join(orders, F.col("id") == F.col("customer_id"), "full")
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
