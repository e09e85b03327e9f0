WITH customers AS (
  SELECT id, name, since
  FROM dev.default.customers
),
slim_unchecked AS (
  SELECT id, name, since
  FROM customers
),
slim AS (
  SELECT *
  FROM slim_unchecked
  WHERE NOT coalesce(id IS NULL, FALSE)
)
SELECT *
FROM slim
