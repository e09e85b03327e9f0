# cast_types. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_cast_types")
def t_cast_types():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # typed: Change types: order_id to string, price to double, quantity to decimal(10,1) and at to date
    typed = orders.withColumns(
        {
            "order_id": F.col("order_id").cast("string"),
            "price": F.col("price").cast("double"),
            "quantity": F.col("quantity").cast("decimal(10,1)"),
            "at": F.col("at").cast("date"),
        },
    )
    return typed.select(
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
