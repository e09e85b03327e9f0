WITH orders_unchecked AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
orders AS (
  SELECT *
  FROM orders_unchecked
  WHERE NOT coalesce(order_id IS NULL, FALSE)
),
customers AS (
  SELECT id, region
  FROM dev.default.customers
),
paid_unchecked AS (
  SELECT *
  FROM orders
  WHERE price > 0
),
paid AS (
  SELECT *
  FROM paid_unchecked
  WHERE (customer_id IS NULL OR EXISTS (SELECT 1 FROM customers AS _parent WHERE _parent.id = paid_unchecked.customer_id))
),
with_region AS (
  SELECT paid.*, customers.region
  FROM paid
  LEFT JOIN customers
    ON paid.customer_id = customers.id
)
SELECT *
FROM with_region
