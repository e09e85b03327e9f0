WITH orders AS (
  SELECT order_id, customer_id, quantity
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, quantity, customer_id
  FROM orders
),
long AS (
  SELECT slim.order_id, _long.what, _long.amount
  FROM slim
  LATERAL VIEW stack(2, 'quantity', CAST(slim.quantity AS BIGINT), 'customer_id', slim.customer_id) _long AS what, amount
)
SELECT *
FROM long
