WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
a AS (
  SELECT *
  FROM orders
  WHERE price > 10
),
b AS (
  SELECT *
  FROM orders
  WHERE quantity = 1
),
`both` AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM a
  UNION ALL
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM b
)
SELECT *
FROM `both`
