# window_rank. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_window_rank")
def t_window_rank():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # ranked: Add position = row_number(), place = rank(), previous = lag(price) and step = price - lag(price)
    # within each customer_id, by price (highest first) and order_id (lowest first)
    ranked_window = Window.partitionBy("customer_id").orderBy(
        F.col("price").desc_nulls_last(),
        F.col("order_id").asc_nulls_last(),
        F.col("quantity").asc_nulls_last(),
        F.col("weight").asc_nulls_last(),
        F.col("ordered").asc_nulls_last(),
        F.col("at").asc_nulls_last(),
        F.col("status").asc_nulls_last(),
        F.col("tags").asc_nulls_last(),
        F.col("detail").asc_nulls_last(),
    )
    ranked_window2 = Window.partitionBy("customer_id").orderBy(F.col("price").desc_nulls_last(), F.col("order_id").asc_nulls_last())
    ranked = orders.withColumns(
        {
            "position": F.row_number().over(ranked_window),
            "place": F.rank().over(ranked_window2),
            "previous": F.lag("price").over(ranked_window),
            "step": F.expr("price - lag(price) OVER (PARTITION BY customer_id ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST)"),
        },
    )
    return ranked.select(
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
        "position",
        "place",
        "previous",
        "step",
    )
