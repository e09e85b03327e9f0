# expect_drop_referential. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.temporary_view(name="orders_looked_up")
@dp.expect_or_drop("check_referential", "_check_referential_1 IS NOT NULL OR customer_id IS NULL")
def orders_looked_up():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "customer_id", "price", "status")
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers).select("id")
    # check_referential: customer_id occurs in customers as id in orders
    return orders.join(
        customers.select(F.col("id").alias("_check_referential_1")).distinct(),
        F.col("customer_id") == F.col("_check_referential_1"),
        "left",
    )


@dp.temporary_view(name="orders")
def orders():
    return spark.read.table("orders_looked_up").select("order_id", "customer_id", "price", "status")


@dp.materialized_view(name="t_expect_drop_referential")
def t_expect_drop_referential():
    orders = spark.read.table("orders")
    # slim: Keep the columns order_id, customer_id, price and status
    return orders.select("order_id", "customer_id", "price", "status")
