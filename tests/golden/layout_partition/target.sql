WITH orders AS (
  SELECT order_id, price, status
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, status, price
  FROM orders
)
SELECT *
FROM slim
