WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
mine AS (
  SELECT
    orders.order_id,
    orders.price * orders.quantity AS total,
    orders.tags
  FROM orders
  WHERE
    orders.status = 'F' OR orders.ordered > date_sub(DATE '2024-03-10', 30)
)
SELECT *
FROM mine
