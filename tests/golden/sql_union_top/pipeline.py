# sql_union_top. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.temporary_view(name="orders")
def orders():
    # orders: Read dev.default.orders
    return spark.read.table(source_orders)


@dp.materialized_view(name="t_sql_union_top")
def t_sql_union_top():
    # mine: A query written by hand over orders
    return spark.sql(
        "SELECT "
        "  * "
        "FROM ( "
        "  SELECT "
        "    orders.order_id, "
        "    orders.status "
        "  FROM orders "
        "  WHERE "
        "    orders.status IS NOT NULL "
        "  UNION ALL "
        "  SELECT "
        "    o.order_id, "
        "    o.detail.code "
        "  FROM orders AS o "
        ") AS both_rows "
        "ORDER BY "
        "  both_rows.order_id DESC, "
        "  both_rows.status "
        "LIMIT 5 "
    )
