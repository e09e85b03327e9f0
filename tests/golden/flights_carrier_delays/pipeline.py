# carrier_delays. Quartz schedule 0 0 6 * * ? in America/New_York.
# Generated from spec.yml; a change made here is not taken over.
# A check beside the target that fails makes the update fail, after the target was written: it is not rolled
# back.
# Not checked by Lakeflow: auto_flights_fresh. The last commit is at most 48 hours old in flights.
# Not checked by Lakeflow: auto_airlines_fresh. The last commit is at most 48 hours old in airlines.
# Not checked by Lakeflow: auto_planes_fresh. The last commit is at most 48 hours old in planes.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_flights = spark.conf.get("source_flights", "samples.nycflights.flights")
source_airlines = spark.conf.get("source_airlines", "samples.nycflights.airlines")
source_planes = spark.conf.get("source_planes", "samples.nycflights.planes")


@dp.temporary_view(name="flights")
@dp.expect("auto_flights_carrier_not_null", "carrier IS NOT NULL")
@dp.expect("auto_flights_tailnum_not_null", "tailnum IS NOT NULL")
def flights():
    # flights: Read samples.nycflights.flights
    return spark.read.table(source_flights).select("month", "dep_time", "dep_delay", "carrier", "tailnum")


@dp.temporary_view(name="airlines")
@dp.expect("auto_airlines_carrier_not_null", "carrier IS NOT NULL")
def airlines():
    # airlines: Read samples.nycflights.airlines
    return spark.read.table(source_airlines)


@dp.temporary_view(name="planes")
@dp.expect("auto_planes_tailnum_not_null", "tailnum IS NOT NULL")
def planes():
    # planes: Read samples.nycflights.planes
    return spark.read.table(source_planes).select("tailnum")


@dp.materialized_view(name="carrier_delays")
@dp.expect_or_fail(
    "auto_target_key_not_null",
    "carrier IS NOT NULL AND name IS NOT NULL AND month IS NOT NULL",
)
def carrier_delays():
    flights = spark.read.table("flights")
    airlines = spark.read.table("airlines")
    # with_airlines: Match each row of flights with the rows of airlines that have the same carrier; rows without
    # a match leave
    with_airlines = flights.join(airlines, "carrier", "inner")
    planes = spark.read.table("planes")
    # with_planes: Keep every row of with_airlines and add what planes has for the same tailnum
    with_planes = with_airlines.join(planes, "tailnum", "left")
    # delays: One row for each carrier, name and month: average_delay = avg(dep_delay) FILTER (WHERE dep_time IS
    # NOT NULL), p90_delay = percentile(CASE WHEN dep_time IS NOT NULL THEN dep_delay END, 0.9) and
    # cancelled_share = count_if(dep_time IS NULL) / count(*)
    delays = (
        with_planes
        .groupBy("carrier", "name", "month")
        .agg(
            F.expr("avg(dep_delay) FILTER (WHERE dep_time IS NOT NULL)").alias("average_delay"),
            F.expr("percentile(CASE WHEN dep_time IS NOT NULL THEN dep_delay END, 0.9)").alias("p90_delay"),
            F.expr("count_if(dep_time IS NULL) / count(*)").alias("cancelled_share"),
        )
    )
    # flag: Compute late = average_delay > 20
    flag = delays.withColumn("late", F.expr("average_delay > 20"))
    return flag.select("carrier", "name", "month", "average_delay", "p90_delay", "cancelled_share", "late")


# auto_target_rows: There is at least 1 row in the target
@dp.materialized_view(name="auto_target_rows", private=True)
@dp.expect_or_fail("auto_target_rows", "_rows >= 1")
def auto_target_rows():
    flag = spark.read.table("carrier_delays")
    return flag.agg(F.count("*").alias("_rows"))


# auto_target_key_unique: No two rows have the same carrier, name and month in the target
@dp.materialized_view(name="auto_target_key_unique", private=True)
@dp.expect_or_fail("auto_target_key_unique", "_failing = 0")
def auto_target_key_unique():
    flag = spark.read.table("carrier_delays")
    return (
        flag
        .groupBy("carrier", "name", "month")
        .agg(F.count("*").alias("_copies"))
        .where("_copies > 1")
        .agg(F.count("*").alias("_failing"))
    )
