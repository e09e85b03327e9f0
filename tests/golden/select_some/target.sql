WITH orders AS (
  SELECT order_id, price
  FROM dev.default.orders
),
slim AS (
  SELECT price, order_id
  FROM orders
)
SELECT *
FROM slim
