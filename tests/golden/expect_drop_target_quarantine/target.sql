WITH orders_unchecked AS (
  SELECT order_id, customer_id, price, status
  FROM dev.default.orders
),
orders AS (
  SELECT *
  FROM orders_unchecked
  WHERE NOT coalesce(NOT coalesce(status IS NOT NULL, FALSE), FALSE)
),
slim_unchecked AS (
  SELECT order_id, customer_id, price, status
  FROM orders
),
slim AS (
  SELECT *
  FROM slim_unchecked
  WHERE NOT coalesce(price < 0, FALSE)
)
SELECT *
FROM slim
