WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT customer_id, price
  FROM dev.default.orders
),
ids AS (
  SELECT customer_id AS id, price
  FROM orders
),
joined AS (
  SELECT customers.*, ids.price
  FROM customers
  LEFT JOIN ids
    ON customers.id = ids.id
)
SELECT *
FROM joined
