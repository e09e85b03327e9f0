# filter_run_time_stamp. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
run_time = spark.conf.get("run_time", datetime.now(timezone.utc).isoformat())
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_date = run_time.astimezone(ZoneInfo("UTC")).date()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_filter_run_time_stamp")
def t_filter_run_time_stamp():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # kept: Keep the rows of orders where at > run_time() - INTERVAL '2' DAYS AND to_date(run_time()) >= ordered
    kept = orders.where(f"at > TIMESTAMP '{run_time}' - INTERVAL '2' DAYS AND DATE '{run_date}' >= ordered")
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
