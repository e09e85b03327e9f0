WITH orders AS (
  SELECT order_id, price
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, price
  FROM orders
)
SELECT *
FROM slim
