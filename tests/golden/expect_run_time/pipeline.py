# expect_run_time. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from datetime import datetime, timezone

from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
run_time = spark.conf.get("run_time", datetime.now(timezone.utc).isoformat())
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.temporary_view(name="orders")
@dp.expect("check_expression", f"coalesce(ordered <= TIMESTAMP '{run_time}' OR ordered IS NULL, FALSE)")
def orders():
    # orders: Read dev.default.orders
    return spark.read.table(source_orders).select("order_id", "customer_id", "price", "ordered", "status")


@dp.materialized_view(name="t_expect_run_time")
def t_expect_run_time():
    orders = spark.read.table("orders")
    # slim: Keep the columns order_id, customer_id, price and status
    return orders.select("order_id", "customer_id", "price", "status")
