WITH orders AS (
  SELECT customer_id, price, quantity, ordered, status
  FROM dev.default.orders
),
sums AS (
  SELECT
    customer_id,
    status,
    sum(price) AS revenue,
    count(*) AS orders,
    count(quantity) AS filled,
    avg(price) AS mean,
    min(ordered) AS least,
    max(price) AS most
  FROM orders
  GROUP BY customer_id, status
)
SELECT *
FROM sums
