WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
shares AS (
  SELECT *, price / sum(price) OVER () AS share, count(*) OVER () AS all_rows
  FROM orders
)
SELECT *
FROM shares
