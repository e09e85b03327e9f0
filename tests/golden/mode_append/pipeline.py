# mode_append. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
# Each row of orders is read once; a source that is changed or rewritten stops the update.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.table(name="t_mode_append")
def t_mode_append():
    # orders: Read dev.default.orders
    orders = spark.readStream.table(source_orders).select("order_id", "price")
    # slim: Keep the columns order_id and price
    return orders.select("order_id", "price")
