# explode_outer_position. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_explode_outer_position")
def t_explode_outer_position():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # items: One row for each element of tags, called tags; rows with none stay
    items = orders.select(
        "order_id",
        "customer_id",
        "price",
        "quantity",
        "weight",
        "ordered",
        "at",
        "status",
        "detail",
        F.posexplode_outer("tags").alias("place", "tags"),
    )
    return items.select(
        "order_id",
        "customer_id",
        "price",
        "quantity",
        "weight",
        "ordered",
        "at",
        "status",
        "detail",
        "place",
        "tags",
    )
