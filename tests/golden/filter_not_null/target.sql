WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
kept AS (
  SELECT *
  FROM orders
  WHERE customer_id IS NOT NULL AND ordered IS NOT NULL
)
SELECT *
FROM kept
