# union_distinct. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_union_distinct")
def t_union_distinct():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id", "status")
    # a: Keep the columns customer_id and status
    a = orders.select("customer_id", "status")
    # b: Keep the columns status and customer_id
    b = orders.select("status", "customer_id")
    # both: Put the rows of a and b together, each once
    both = a.unionByName(b).distinct()
    return both.select("customer_id", "status")
