WITH customers AS (
  SELECT id, name, since
  FROM dev.default.customers
),
slim AS (
  SELECT id, name, since
  FROM customers
),
dated_unchecked AS (
  SELECT *
  FROM slim
  WHERE since IS NOT NULL
),
dated AS (
  SELECT *
  FROM dated_unchecked
  WHERE NOT coalesce(id IS NULL, FALSE)
)
SELECT *
FROM dated
