# filter_like. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.materialized_view(name="t_filter_like")
def t_filter_like():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # kept: Keep the rows of customers where name LIKE 'E%' OR region RLIKE '^n.*h$'
    kept = customers.where("name LIKE 'E%' OR region RLIKE '^n.*h$'")
    return kept.select("id", "name", "region", "balance", "since", "active")
