# source_filter_run_time. Quartz schedule 0 0 1 * * ? in America/New_York.
# Generated from spec.yml; a change made here is not taken over.
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
run_time = spark.conf.get("run_time", datetime.now(timezone.utc).isoformat())
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_date = run_time.astimezone(ZoneInfo("America/New_York")).date()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_source_filter_run_time")
def t_source_filter_run_time():
    # orders: Read dev.default.orders where ordered >= date_sub(to_date(run_time()), 30)
    orders = (
        spark.read.table(source_orders)
        .where(f"ordered >= date_sub(DATE '{run_date}', 30)")
        .select("order_id", "ordered")
    )
    # slim: Keep the columns order_id and ordered
    return orders.select("order_id", "ordered")
