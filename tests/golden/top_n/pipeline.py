# top_n. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_top_n")
def t_top_n():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # first: Keep the first 3 rows by price (highest first)
    first = (
        orders
        .orderBy(
            F.col("price").desc_nulls_last(),
            F.col("order_id").asc_nulls_last(),
            F.col("customer_id").asc_nulls_last(),
            F.col("quantity").asc_nulls_last(),
            F.col("weight").asc_nulls_last(),
            F.col("ordered").asc_nulls_last(),
            F.col("at").asc_nulls_last(),
            F.col("status").asc_nulls_last(),
            F.col("tags").asc_nulls_last(),
            F.col("detail").asc_nulls_last(),
        )
        .limit(3)
    )
    return first.select(
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
