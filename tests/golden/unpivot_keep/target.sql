WITH orders AS (
  SELECT order_id, customer_id, quantity
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, quantity, customer_id
  FROM orders
),
long AS (
  SELECT *
  FROM slim
  UNPIVOT INCLUDE NULLS (amount FOR what IN (quantity, customer_id))
)
SELECT *
FROM long
