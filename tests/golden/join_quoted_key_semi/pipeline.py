# join_quoted_key_semi. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_quoted_key_semi")
def t_join_quoted_key_semi():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # named: Rename id to a`b key
    named = customers.withColumnRenamed("id", "a`b key")
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id")
    # ids: Rename customer_id to a`b key
    ids = orders.withColumnRenamed("customer_id", "a`b key")
    # joined: Keep the rows of named that ids has the same a`b key for
    joined = named.join(ids.select("`a``b key`"), "a`b key", "left_semi")
    # plain: Rename a`b key to id
    plain = joined.withColumnRenamed("a`b key", "id")
    return plain.select("id", "name", "region", "balance", "since", "active")
