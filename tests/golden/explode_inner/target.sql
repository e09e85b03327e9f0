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
    orders.tags,
    orders.detail,
    _item.tag
  FROM orders
  LATERAL VIEW explode(orders.tags) _item AS tag
)
SELECT *
FROM items
