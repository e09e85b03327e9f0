# join_semi. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_semi")
def t_join_semi():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id")
    # joined: Keep the rows of customers that orders has the same id = customer_id for
    joined = customers.join(
        orders.select(F.col("customer_id").alias("_right_customer_id")),
        F.col("id") == F.col("_right_customer_id"),
        "left_semi",
    )
    return joined.select("id", "name", "region", "balance", "since", "active")
