# window_running. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_window_running")
def t_window_running():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # ranked: Add moving = sum(price), n = count(*) and first_price = first_value(price) within each status, by
    # ordered (lowest first)
    ranked_window = Window.partitionBy("status").orderBy(
        F.col("ordered").asc_nulls_last(),
        F.col("order_id").asc_nulls_last(),
        F.col("customer_id").asc_nulls_last(),
        F.col("price").asc_nulls_last(),
        F.col("quantity").asc_nulls_last(),
        F.col("weight").asc_nulls_last(),
        F.col("at").asc_nulls_last(),
        F.col("tags").asc_nulls_last(),
        F.col("detail").asc_nulls_last(),
    ).rowsBetween(-1, Window.currentRow)
    ranked = orders.withColumns(
        {
            "moving": F.sum("price").over(ranked_window),
            "n": F.count("*").over(ranked_window),
            "first_price": F.expr("first_value(price) OVER (PARTITION BY status ORDER BY ordered ASC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"),
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
        "moving",
        "n",
        "first_price",
    )
