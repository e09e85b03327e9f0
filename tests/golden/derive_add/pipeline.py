# derive_add. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_derive_add")
def t_derive_add():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # more: Compute total = price * quantity, kind = CASE status WHEN 'F' THEN 'done' WHEN 'O' THEN 'open' ELSE
    # 'other' END, month = date_trunc('month', at) and label = concat(coalesce(status, '?'), '-', CAST(order_id AS
    # STRING))
    more = orders.withColumns(
        {
            "total": F.expr("price * quantity"),
            "kind": F.expr("CASE status WHEN 'F' THEN 'done' WHEN 'O' THEN 'open' ELSE 'other' END"),
            "month": F.expr("date_trunc('month', at)"),
            "label": F.expr("concat(coalesce(status, '?'), '-', CAST(order_id AS STRING))"),
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
        "total",
        "kind",
        "month",
        "label",
    )
