# filter_not_null. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_filter_not_null")
def t_filter_not_null():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # kept: Keep the rows of orders where customer_id IS NOT NULL AND ordered IS NOT NULL
    kept = orders.where("customer_id IS NOT NULL AND ordered IS NOT NULL")
    return kept.select(
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
