# window_share. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_window_share")
def t_window_share():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # shares: Add share = price / sum(price) and all_rows = count(*)
    shares_window = Window.partitionBy()
    shares = orders.withColumns(
        {
            "share": F.expr("price / sum(price) OVER ()"),
            "all_rows": F.count("*").over(shares_window),
        },
    )
    return shares.select(
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
        "share",
        "all_rows",
    )
