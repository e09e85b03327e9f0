# expect_drop_expression. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.temporary_view(name="orders")
@dp.expect_or_drop("check_expression", "coalesce(quantity > 1, FALSE)")
def orders():
    # orders: Read dev.default.orders
    return spark.read.table(source_orders).select("order_id", "customer_id", "price", "quantity", "status")


@dp.materialized_view(name="t_expect_drop_expression")
def t_expect_drop_expression():
    orders = spark.read.table("orders")
    # slim: Keep the columns order_id, customer_id, price and status
    return orders.select("order_id", "customer_id", "price", "status")
