# top_ties. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_top_ties")
def t_top_ties():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # first: Keep the first 2 rows by price (highest first), with all that are equal to the last
    first_window = Window.orderBy(F.col("price").desc_nulls_last())
    return (
        orders
        .withColumn("_rank", F.rank().over(first_window))
        .where("_rank <= 2")
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
