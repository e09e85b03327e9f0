# union_all. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_union_all")
def t_union_all():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # a: Keep the rows of orders where price > 10
    a = orders.where("price > 10")
    # b: Keep the rows of orders where quantity = 1
    b = orders.where("quantity = 1")
    # both: Put the rows of a and b together
    both = a.unionByName(b)
    return both.select(
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
