# segment_partitioned. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_segment_partitioned")
def t_segment_partitioned():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # labelled: Label each row in class within each status: 'top' for the top 50 % by price, else 'rest'
    labelled = orders.withColumn(
        "class",
        F.expr(
            "CASE "
            "WHEN price IS NOT NULL AND percent_rank() OVER (PARTITION BY status ORDER BY price DESC NULLS LAST) < 0.5 THEN 'top' "
            "ELSE 'rest' "
            "END"
        ),
    )
    return labelled.select(
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
        "class",
    )
