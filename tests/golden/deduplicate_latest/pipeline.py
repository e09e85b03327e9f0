# deduplicate_latest. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_deduplicate_latest")
def t_deduplicate_latest():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # latest: Keep one row for each customer_id: the first by ordered (highest first)
    latest_window = Window.partitionBy("customer_id").orderBy(
        F.col("ordered").desc_nulls_last(),
        F.col("order_id").asc_nulls_last(),
        F.col("price").asc_nulls_last(),
        F.col("quantity").asc_nulls_last(),
        F.col("weight").asc_nulls_last(),
        F.col("at").asc_nulls_last(),
        F.col("status").asc_nulls_last(),
        F.col("tags").asc_nulls_last(),
        F.col("detail").asc_nulls_last(),
    )
    return (
        orders
        .withColumn("_row", F.row_number().over(latest_window))
        .where("_row = 1")
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
