# unpivot_keep. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_unpivot_keep")
def t_unpivot_keep():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "customer_id", "quantity")
    # slim: Keep the columns order_id, quantity and customer_id
    slim = orders.select("order_id", "quantity", "customer_id")
    # long: Turn quantity and customer_id into rows of what and amount
    long = slim.select(
        "order_id",
        F.expr("stack(2, 'quantity', CAST(quantity AS BIGINT), 'customer_id', customer_id) AS (what, amount)"),
    )
    return long.select("order_id", "what", "amount")
