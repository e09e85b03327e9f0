WITH customers AS (
  SELECT id, region, balance, since
  FROM dev.default.customers
),
slim AS (
  SELECT id, region, balance, since
  FROM customers
),
known AS (
  SELECT *
  FROM slim
  WHERE id IS NOT NULL AND since IS NOT NULL
)
SELECT *
FROM known
