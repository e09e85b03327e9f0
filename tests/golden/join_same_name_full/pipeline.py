# join_same_name_full. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_same_name_full")
def t_join_same_name_full():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id", "price")
    # ids: Rename customer_id to id
    ids = orders.withColumnRenamed("customer_id", "id")
    # joined: Keep every row of customers and of ids, matched where they have the same id
    joined = customers.join(ids, "id", "full")
    return joined.select("id", "name", "region", "balance", "since", "active", "price")
