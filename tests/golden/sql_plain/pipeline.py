# sql_plain. When somebody starts it.
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


@dp.temporary_view(name="orders")
def orders():
    # orders: Read dev.default.orders
    return spark.read.table(source_orders)


@dp.materialized_view(name="t_sql_plain")
def t_sql_plain():
    # mine: A query written by hand over orders
    return spark.sql(
        "SELECT "
        "  orders.order_id, "
        "  orders.price * orders.quantity AS total, "
        "  orders.tags "
        "FROM orders "
        "WHERE "
        f"  orders.status = 'F' OR orders.ordered > date_sub(DATE '{run_date}', 30) "
    )
