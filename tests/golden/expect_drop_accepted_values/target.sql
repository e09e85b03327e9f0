WITH orders_unchecked AS (
  SELECT order_id, customer_id, price, status
  FROM dev.default.orders
),
orders AS (
  SELECT *
  FROM orders_unchecked
  WHERE NOT coalesce(status NOT IN ('F', 'O'), FALSE)
),
slim AS (
  SELECT order_id, customer_id, price, status
  FROM orders
)
SELECT *
FROM slim
