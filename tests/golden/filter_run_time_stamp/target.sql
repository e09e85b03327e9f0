WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
kept AS (
  SELECT *
  FROM orders
  WHERE at > TIMESTAMP '2024-03-10 06:30:00+00:00' - INTERVAL '2' DAYS AND DATE '2024-03-10' >= ordered
)
SELECT *
FROM kept
