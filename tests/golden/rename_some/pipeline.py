# rename_some. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_rename_some")
def t_rename_some():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # named: Rename price to amount and at to moment
    named = orders.withColumnsRenamed({"price": "amount", "at": "moment"})
    return named.select(
        "order_id",
        "customer_id",
        "amount",
        "quantity",
        "weight",
        "ordered",
        "moment",
        "status",
        "tags",
        "detail",
    )
