WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
filled AS (
  SELECT
    order_id,
    customer_id,
    price,
    coalesce(quantity, 0) AS quantity,
    coalesce(weight, CAST(1.5 AS DOUBLE)) AS weight,
    coalesce(ordered, DATE '2000-01-01') AS ordered,
    at,
    coalesce(status, 'it\'s unknown') AS status,
    tags,
    detail
  FROM orders
)
SELECT *
FROM filled
