# filter_and_or. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_filter_and_or")
def t_filter_and_or():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # kept: Keep the rows of orders where (status IN ('F', 'O') OR quantity IS NULL) AND price NOT BETWEEN 0 AND 5
    kept = orders.where("(status IN ('F', 'O') OR quantity IS NULL) AND price NOT BETWEEN 0 AND 5")
    return kept.select(
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
