# unpivot_drop. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_unpivot_drop")
def t_unpivot_drop():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "quantity", "weight")
    # slim: Keep the columns order_id, quantity and weight
    slim = orders.select("order_id", "quantity", "weight")
    # long: Turn quantity and weight into rows of what and amount, leaving out NULLs
    long = (
        slim
        .select(
            "order_id",
            F.expr("stack(2, 'quantity', CAST(quantity AS DOUBLE), 'weight', weight) AS (what, amount)"),
        )
        .where(F.col("amount").isNotNull())
    )
    return long.select("order_id", "what", "amount")
