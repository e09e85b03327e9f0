# derive_strings. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.materialized_view(name="t_derive_strings")
def t_derive_strings():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # more: Compute u = upper(name), s = substring(name, 1, 2), l = length(name), rep = replace(name, 'a', 'ä'), x
    # = regexp_replace(name, '[aeiou]', '_'), q = name || '\'s "quote" {brace} \\ back' and sp = split(name,
    # 'e')[0]
    more = customers.withColumns(
        {
            "u": F.expr("upper(name)"),
            "s": F.expr("substring(name, 1, 2)"),
            "l": F.expr("length(name)"),
            "rep": F.expr("replace(name, 'a', 'ä')"),
            "x": F.expr("regexp_replace(name, '[aeiou]', '_')"),
            "q": F.expr("name || '\\'s \"quote\" {brace} \\\\ back'"),
            "sp": F.expr("split(name, 'e')[0]"),
        },
    )
    return more.select("id", "name", "region", "balance", "since", "active", "u", "s", "l", "rep", "x", "q", "sp")
