# derive_replace. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_derive_replace")
def t_derive_replace():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # more: Compute price = coalesce(price, 0) * 2 and status = lower(status)
    more = orders.withColumns(
        {
            "price": F.expr("coalesce(price, 0) * 2"),
            "status": F.expr("lower(status)"),
        },
    )
    return more.select(
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
