WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
more AS (
  SELECT
    *,
    detail.code AS code,
    try_element_at(tags, 1) AS first_tag,
    size(tags) AS how_many,
    array_contains(tags, 'a') AS has_a
  FROM orders
)
SELECT *
FROM more
