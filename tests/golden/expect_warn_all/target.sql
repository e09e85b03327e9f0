WITH orders AS (
  SELECT order_id, customer_id, price, status
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, customer_id, price, status
  FROM orders
)
SELECT *
FROM slim
