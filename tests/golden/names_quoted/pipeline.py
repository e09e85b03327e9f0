# names_quoted. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_names_quoted")
def t_names_quoted():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("price", "quantity")
    # lambda: Compute order = price and größe = quantity + 1
    lambda_df = orders.withColumns(
        {
            "order": F.col("price"),
            "größe": F.expr("quantity + 1"),
        },
    )
    # print: One row for each order: select = max(`größe`)
    return lambda_df.groupBy("order").agg(F.max("`größe`").alias("select"))
