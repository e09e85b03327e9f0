# segment_rules. When somebody starts it.
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


@dp.materialized_view(name="t_segment_rules")
def t_segment_rules():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders)
    # labelled: Label each row in size: 'big' where price >= 50 and 'it's small' where price < 10 AND ordered >
    # date_sub(to_date(run_time()), 30)
    labelled = orders.withColumn(
        "size",
        F.expr(
            "CASE "
            "WHEN price >= 50 THEN 'big' "
            f"WHEN price < 10 AND ordered > date_sub(DATE '{run_date}', 30) THEN 'it\\'s small' "
            "END"
        ),
    )
    return labelled.select(
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
        "size",
    )
