WITH orders AS (
  SELECT order_id, ordered
  FROM dev.default.orders
  WHERE ordered >= date_sub(DATE '2024-03-10', 30)
),
slim AS (
  SELECT order_id, ordered
  FROM orders
)
SELECT *
FROM slim
