# derive_nested. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_derive_nested")
def t_derive_nested():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # more: Compute code = detail.code, first_tag = try_element_at(tags, 1), how_many = size(tags) and has_a =
    # array_contains(tags, 'a')
    more = orders.withColumns(
        {
            "code": F.expr("detail.code"),
            "first_tag": F.expr("try_element_at(tags, 1)"),
            "how_many": F.expr("size(tags)"),
            "has_a": F.expr("array_contains(tags, 'a')"),
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
        "code",
        "first_tag",
        "how_many",
        "has_a",
    )
