WITH orders AS (
  SELECT customer_id, price, status
  FROM dev.default.orders
),
wide AS (
  SELECT
    customer_id,
    sum(price) FILTER (WHERE status = 'F') AS F,
    sum(price) FILTER (WHERE status = 'O') AS O,
    sum(price) FILTER (WHERE status = 'it\'s') AS `it's`
  FROM orders
  GROUP BY customer_id
)
SELECT *
FROM wide
