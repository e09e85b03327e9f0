# sql_join_window. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.temporary_view(name="orders")
def orders():
    # orders: Read dev.default.orders
    return spark.read.table(source_orders)


@dp.temporary_view(name="customers")
def customers():
    # customers: Read dev.default.customers
    return spark.read.table(source_customers)


@dp.materialized_view(name="t_sql_join_window")
def t_sql_join_window():
    # mine: A query written by hand over orders and customers
    return spark.sql(
        "WITH sums AS ( "
        "  SELECT "
        "    orders.customer_id, "
        "    sum(orders.price) AS revenue, "
        "    count(*) AS n "
        "  FROM orders "
        "  WHERE "
        "    orders.price > 0 "
        "  GROUP BY "
        "    orders.customer_id "
        "  HAVING "
        "    count(*) >= 1 "
        ") "
        "SELECT "
        "  c.id, "
        "  c.name, "
        "  s.revenue, "
        "  rank() OVER (ORDER BY s.revenue DESC) AS place, "
        "  coalesce(s.n, 0) AS n, "
        "  'it\\'s {x}' AS note "
        "FROM customers AS c "
        "LEFT JOIN sums AS s "
        "  ON c.id = s.customer_id "
    )
