# fill_values. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_fill_values")
def t_fill_values():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # filled: Replace NULLs: quantity by 0, status by "it's unknown", ordered by '2000-01-01' and weight by 1.5
    filled = orders.withColumns(
        {
            "quantity": F.coalesce(F.col("quantity"), F.expr("0")),
            "status": F.coalesce(F.col("status"), F.expr("'it\\'s unknown'")),
            "ordered": F.coalesce(F.col("ordered"), F.expr("DATE '2000-01-01'")),
            "weight": F.coalesce(F.col("weight"), F.expr("CAST(1.5 AS DOUBLE)")),
        },
    )
    return filled.select(
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
