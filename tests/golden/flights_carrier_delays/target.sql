WITH flights AS (
  SELECT month, dep_time, dep_delay, carrier, tailnum
  FROM samples.nycflights.flights
),
airlines AS (
  SELECT carrier, name
  FROM samples.nycflights.airlines
),
planes AS (
  SELECT tailnum
  FROM samples.nycflights.planes
),
with_airlines AS (
  SELECT flights.*, airlines.name
  FROM flights
  INNER JOIN airlines
    ON flights.carrier = airlines.carrier
),
with_planes AS (
  SELECT with_airlines.*
  FROM with_airlines
  LEFT JOIN planes
    ON with_airlines.tailnum = planes.tailnum
),
delays AS (
  SELECT
    carrier,
    name,
    month,
    avg(dep_delay) FILTER (WHERE dep_time IS NOT NULL) AS average_delay,
    percentile(CASE WHEN dep_time IS NOT NULL THEN dep_delay END, 0.9) AS p90_delay,
    count_if(dep_time IS NULL) / count(*) AS cancelled_share
  FROM with_planes
  GROUP BY carrier, name, month
),
flag AS (
  SELECT *, average_delay > 20 AS late
  FROM delays
)
SELECT *
FROM flag
