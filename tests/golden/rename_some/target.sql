WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
named AS (
  SELECT
    order_id,
    customer_id,
    price AS amount,
    quantity,
    weight,
    ordered,
    at AS moment,
    status,
    tags,
    detail
  FROM orders
)
SELECT *
FROM named
