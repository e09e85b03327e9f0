WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
more AS (
  SELECT
    order_id,
    customer_id,
    coalesce(price, 0) * 2 AS price,
    quantity,
    weight,
    ordered,
    at,
    lower(status) AS status,
    tags,
    detail
  FROM orders
)
SELECT *
FROM more
