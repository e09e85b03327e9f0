WITH orders AS (
  SELECT order_id, quantity, weight
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, quantity, weight
  FROM orders
),
long AS (
  SELECT *
  FROM slim
  UNPIVOT INCLUDE NULLS (amount FOR what IN (quantity, weight))
  WHERE amount IS NOT NULL
)
SELECT *
FROM long
