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
  SELECT
    coalesce(customers.id, ids.id) AS id,
    customers.name,
    customers.region,
    customers.balance,
    customers.since,
    customers.active,
    ids.price
  FROM customers
  FULL JOIN ids
    ON customers.id = ids.id
)
SELECT *
FROM joined
