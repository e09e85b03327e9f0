# window_range. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_window_range")
def t_window_range():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # shares: Add so_far = sum(price), pr = percent_rank() and quarter = ntile(4) within each status, by quantity
    # (lowest first)
    shares_window = Window.partitionBy("status").orderBy(F.col("quantity").asc_nulls_last()).rangeBetween(Window.unboundedPreceding, Window.currentRow)
    shares_window2 = Window.partitionBy("status").orderBy(F.col("quantity").asc_nulls_last())
    shares_window3 = Window.partitionBy("status").orderBy(
        F.col("quantity").asc_nulls_last(),
        F.col("order_id").asc_nulls_last(),
        F.col("customer_id").asc_nulls_last(),
        F.col("price").asc_nulls_last(),
        F.col("weight").asc_nulls_last(),
        F.col("ordered").asc_nulls_last(),
        F.col("at").asc_nulls_last(),
        F.col("tags").asc_nulls_last(),
        F.col("detail").asc_nulls_last(),
    )
    shares = orders.withColumns(
        {
            "so_far": F.sum("price").over(shares_window),
            "pr": F.percent_rank().over(shares_window2),
            "quarter": F.ntile(4).over(shares_window3),
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
        "so_far",
        "pr",
        "quarter",
    )
