WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT customer_id
  FROM dev.default.orders
),
joined AS (
  SELECT customers.*
  FROM customers
  LEFT ANTI JOIN orders
    ON customers.id = orders.customer_id
)
SELECT *
FROM joined
