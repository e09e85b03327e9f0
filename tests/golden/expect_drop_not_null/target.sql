WITH orders_unchecked AS (
  SELECT order_id, customer_id, price, status
  FROM dev.default.orders
),
orders AS (
  SELECT *
  FROM orders_unchecked
  WHERE NOT coalesce(customer_id IS NULL, FALSE)
),
slim AS (
  SELECT order_id, customer_id, price, status
  FROM orders
)
SELECT *
FROM slim
