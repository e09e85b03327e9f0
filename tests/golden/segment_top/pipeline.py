# segment_top. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.materialized_view(name="t_segment_top")
def t_segment_top():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # labelled: Label each row in class: 'high value' for the top 20 % by balance and 'mid' for the top 50 % by
    # balance, else 'low'
    labelled = customers.withColumn(
        "class",
        F.expr(
            "CASE "
            "WHEN balance IS NOT NULL AND percent_rank() OVER (ORDER BY balance DESC NULLS LAST) < 0.2 THEN 'high value' "
            "WHEN balance IS NOT NULL AND percent_rank() OVER (ORDER BY balance DESC NULLS LAST) < 0.5 THEN 'mid' "
            "ELSE 'low' "
            "END"
        ),
    )
    return labelled.select("id", "name", "region", "balance", "since", "active", "class")
