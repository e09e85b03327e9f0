WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
items AS (
  SELECT
    orders.order_id,
    orders.customer_id,
    orders.price,
    orders.quantity,
    orders.weight,
    orders.ordered,
    orders.at,
    orders.status,
    orders.detail,
    _item.place,
    _item.tags
  FROM orders
  LATERAL VIEW OUTER posexplode(orders.tags) _item AS place, tags
)
SELECT *
FROM items
