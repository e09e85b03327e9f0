WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
typed AS (
  SELECT id, TRY_CAST(name AS INT) AS name, region, balance, since, active
  FROM customers
)
SELECT *
FROM typed
