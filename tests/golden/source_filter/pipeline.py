# source_filter. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_source_filter")
def t_source_filter():
    # orders: Read dev.default.orders where status = 'F' AND price > 10
    orders = spark.read.table(source_orders).where("status = 'F' AND price > 10")
    return orders.select(
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
