WITH customers AS (
  SELECT id
  FROM dev.default.customers
),
orders_unchecked AS (
  SELECT order_id, customer_id, price, status
  FROM dev.default.orders
),
orders AS (
  SELECT *
  FROM orders_unchecked
  WHERE (customer_id IS NULL OR EXISTS (SELECT 1 FROM customers AS _parent WHERE _parent.id = orders_unchecked.customer_id))
),
slim AS (
  SELECT order_id, customer_id, price, status
  FROM orders
)
SELECT *
FROM slim
