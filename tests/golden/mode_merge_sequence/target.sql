WITH orders AS (
  SELECT customer_id, price, ordered
  FROM dev.default.orders
),
slim AS (
  SELECT customer_id, price, ordered
  FROM orders
)
SELECT *
FROM slim
