# derive_dates. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
run_time = spark.conf.get("run_time", datetime.now(timezone.utc).isoformat())
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_date = run_time.astimezone(ZoneInfo("UTC")).date()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_derive_dates")
def t_derive_dates():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # more: Compute y = year(ordered), age = datediff(to_date(run_time()), ordered), next_week = date_add(ordered,
    # 7), month_start = trunc(ordered, 'MONTH'), weekday = dayofweek(ordered) and later = at + INTERVAL '90'
    # MINUTES
    more = orders.withColumns(
        {
            "y": F.expr("year(ordered)"),
            "age": F.expr(f"datediff(DATE '{run_date}', ordered)"),
            "next_week": F.expr("date_add(ordered, 7)"),
            "month_start": F.expr("trunc(ordered, 'MONTH')"),
            "weekday": F.expr("dayofweek(ordered)"),
            "later": F.expr("at + INTERVAL '90' MINUTES"),
        },
    )
    return more.select(
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
        "y",
        "age",
        "next_week",
        "month_start",
        "weekday",
        "later",
    )
