WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
more AS (
  SELECT
    *,
    price * quantity AS total,
    CASE status WHEN 'F' THEN 'done' WHEN 'O' THEN 'open' ELSE 'other' END AS kind,
    date_trunc('month', at) AS month,
    concat(coalesce(status, '?'), '-', CAST(order_id AS STRING)) AS label
  FROM orders
)
SELECT *
FROM more
