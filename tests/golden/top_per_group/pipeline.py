# top_per_group. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_top_per_group")
def t_top_per_group():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # first: Keep the first 2 rows of each status by price (highest first) and ordered (lowest first)
    first_window = Window.partitionBy("status").orderBy(
        F.col("price").desc_nulls_last(),
        F.col("ordered").asc_nulls_first(),
        F.col("order_id").asc_nulls_last(),
        F.col("customer_id").asc_nulls_last(),
        F.col("quantity").asc_nulls_last(),
        F.col("weight").asc_nulls_last(),
        F.col("at").asc_nulls_last(),
        F.col("tags").asc_nulls_last(),
        F.col("detail").asc_nulls_last(),
    )
    return (
        orders
        .withColumn("_row", F.row_number().over(first_window))
        .where("_row <= 2")
        .select(
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
    )
