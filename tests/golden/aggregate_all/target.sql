WITH orders AS (
  SELECT customer_id, price
  FROM dev.default.orders
),
sums AS (
  SELECT sum(price) AS revenue, count(DISTINCT customer_id) AS customers
  FROM orders
)
SELECT *
FROM sums
