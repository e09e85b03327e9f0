WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT customer_id, price, status
  FROM dev.default.orders
),
joined AS (
  SELECT customers.*, orders.price, orders.status
  FROM customers
  LEFT JOIN orders
    ON customers.id = orders.customer_id
)
SELECT *
FROM joined
