WITH customers AS (
  SELECT id, name, since
  FROM dev.default.customers
),
slim AS (
  SELECT id, name, since
  FROM customers
)
SELECT *
FROM slim
