# cast_null. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.materialized_view(name="t_cast_null")
def t_cast_null():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # typed: Change types: name to int
    typed = customers.withColumn("name", F.expr("TRY_CAST(name AS INT)"))
    return typed.select("id", "name", "region", "balance", "since", "active")
