WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
kept AS (
  SELECT *
  FROM customers
  WHERE name LIKE 'E%' OR region RLIKE '^n.*h$'
)
SELECT *
FROM kept
