WITH orders AS (
  SELECT customer_id, status
  FROM dev.default.orders
),
a AS (
  SELECT customer_id, status
  FROM orders
),
b AS (
  SELECT status, customer_id
  FROM orders
),
`both` AS (
  SELECT customer_id, status
  FROM a
  UNION
  SELECT customer_id, status
  FROM b
)
SELECT *
FROM `both`
