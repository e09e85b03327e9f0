# expect_warn_all. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
# Not checked by Lakeflow: commit. The last commit is at most 24 hours old in orders.
from datetime import datetime, timezone

from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
run_time = spark.conf.get("run_time", datetime.now(timezone.utc).isoformat())
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
source_orders = spark.conf.get("source_orders", "dev.default.orders")
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.temporary_view(name="orders")
@dp.expect("check_not_null", "customer_id IS NOT NULL AND status IS NOT NULL")
@dp.expect("check_range", "NOT coalesce(price < 0 OR price >= 50, FALSE)")
@dp.expect("check_accepted_values", "NOT coalesce(status NOT IN ('F', 'O'), FALSE)")
@dp.expect("check_pattern", "NOT coalesce(NOT status RLIKE '^[FO]$', FALSE)")
@dp.expect("check_expression", "coalesce(price > 0 OR quantity IS NULL, FALSE)")
def orders():
    # orders: Read dev.default.orders
    return (
        spark.read.table(source_orders)
        .select("order_id", "customer_id", "price", "quantity", "at", "status")
    )


@dp.materialized_view(name="t_expect_warn_all")
def t_expect_warn_all():
    orders = spark.read.table("orders")
    # slim: Keep the columns order_id, customer_id, price and status
    return orders.select("order_id", "customer_id", "price", "status")


# check_row_count: There are 1 to 5 rows in orders
# check_freshness: The newest at is at most 24 hours old in orders
@dp.materialized_view(name="checks_of_orders", private=True)
@dp.expect("check_row_count", "_rows >= 1 AND _rows <= 5")
@dp.expect(
    "check_freshness",
    f"coalesce(check_freshness >= TIMESTAMP '{run_time}' - INTERVAL '1440' MINUTES, FALSE)",
)
def checks_of_orders():
    orders = spark.read.table("orders")
    return orders.agg(
        F.count("*").alias("_rows"),
        F.max("at").alias("check_freshness"),
    )


# check_unique: No two rows have the same order_id in orders
@dp.materialized_view(name="check_unique", private=True)
@dp.expect("check_unique", "_failing = 0")
def check_unique():
    orders = spark.read.table("orders")
    return (
        orders
        .groupBy("order_id")
        .agg(F.count("*").alias("_copies"))
        .where("_copies > 1")
        .agg(F.count("*").alias("_failing"))
    )


# check_referential: customer_id occurs in customers as id in orders
@dp.materialized_view(name="check_referential", private=True)
@dp.expect("check_referential", "_failing = 0")
def check_referential():
    orders = spark.read.table("orders")
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers).select("id")
    lost = (
        orders
        .where("customer_id IS NOT NULL")
        .join(
            customers.select(F.col("id").alias("_parent_id")),
            F.col("customer_id") == F.col("_parent_id"),
            "left_anti",
        )
    )
    return lost.agg(F.count("*").alias("_failing"))
