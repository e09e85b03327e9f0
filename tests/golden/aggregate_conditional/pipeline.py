# aggregate_conditional. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_aggregate_conditional")
def t_aggregate_conditional():
    # orders: Read dev.default.orders
    orders = (
        spark.read.table(source_orders)
        .select("order_id", "price", "quantity", "weight", "ordered", "status")
    )
    # sums: One row for each status: open_share = count_if(quantity IS NULL) / count(*), big = sum(price) FILTER
    # (WHERE price > 10), p90 = percentile(price, 0.9), spread = stddev(weight), mid = median(quantity) and latest
    # = max_by(order_id, ordered)
    return (
        orders
        .groupBy("status")
        .agg(
            F.expr("count_if(quantity IS NULL) / count(*)").alias("open_share"),
            F.expr("sum(price) FILTER (WHERE price > 10)").alias("big"),
            F.expr("percentile(price, 0.9)").alias("p90"),
            F.expr("stddev(weight)").alias("spread"),
            F.median("quantity").alias("mid"),
            F.expr("max_by(order_id, ordered)").alias("latest"),
        )
    )
