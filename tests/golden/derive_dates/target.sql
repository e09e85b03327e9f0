WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
more AS (
  SELECT
    *,
    year(ordered) AS y,
    datediff(DATE '2024-03-10', ordered) AS age,
    date_add(ordered, 7) AS next_week,
    trunc(ordered, 'MONTH') AS month_start,
    dayofweek(ordered) AS weekday,
    at + INTERVAL '90' MINUTES AS later
  FROM orders
)
SELECT *
FROM more
