WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT customer_id
  FROM dev.default.orders
),
ids AS (
  SELECT customer_id AS id
  FROM orders
),
joined AS (
  SELECT customers.*
  FROM customers
  LEFT SEMI JOIN ids
    ON customers.id = ids.id
)
SELECT *
FROM joined
