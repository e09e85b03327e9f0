WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
one AS (
  SELECT id, name, region, balance, since, active
  FROM (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY name ASC NULLS LAST, region ASC NULLS LAST, balance ASC NULLS LAST, since ASC NULLS LAST, active ASC NULLS LAST) AS _row
    FROM customers
  ) AS _ranked
  WHERE _row = 1
),
slim AS (
  SELECT id, region
  FROM one
),
known AS (
  SELECT *
  FROM slim
  WHERE id IS NOT NULL
)
SELECT *
FROM known
