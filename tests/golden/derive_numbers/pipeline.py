# derive_numbers. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_derive_numbers")
def t_derive_numbers():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # more: Compute r = round(price, 1), a = abs(price), third = price / 3, m = quantity % 2, d = quantity DIV 2,
    # c = ceil(weight), p = power(weight, 2), g = greatest(quantity, 2) and n = nullif(quantity, 1)
    more = orders.withColumns(
        {
            "r": F.expr("round(price, 1)"),
            "a": F.expr("abs(price)"),
            "third": F.expr("price / 3"),
            "m": F.expr("quantity % 2"),
            "d": F.expr("quantity DIV 2"),
            "c": F.expr("ceil(weight)"),
            "p": F.expr("power(weight, 2)"),
            "g": F.expr("greatest(quantity, 2)"),
            "n": F.expr("nullif(quantity, 1)"),
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
        "r",
        "a",
        "third",
        "m",
        "d",
        "c",
        "p",
        "g",
        "n",
    )
