WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT order_id, customer_id, price
  FROM dev.default.orders
),
joined AS (
  SELECT customers.*, orders.order_id, orders.price
  FROM customers
  LEFT JOIN orders
    ON customers.id = orders.customer_id
),
tops AS (
  SELECT region, max(balance) AS richest
  FROM customers
  GROUP BY region
),
wide AS (
  SELECT joined.*, tops.richest
  FROM joined
  LEFT JOIN tops
    ON joined.region = tops.region
)
SELECT *
FROM wide
