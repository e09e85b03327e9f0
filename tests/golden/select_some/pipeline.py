# select_some. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_select_some")
def t_select_some():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "price")
    # slim: Keep the columns price and order_id
    return orders.select("price", "order_id")
