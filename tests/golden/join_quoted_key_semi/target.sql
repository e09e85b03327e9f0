WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT customer_id
  FROM dev.default.orders
),
named AS (
  SELECT id AS `a``b key`, name, region, balance, since, active
  FROM customers
),
ids AS (
  SELECT customer_id AS `a``b key`
  FROM orders
),
joined AS (
  SELECT named.*
  FROM named
  LEFT SEMI JOIN ids
    ON named.`a``b key` = ids.`a``b key`
),
plain AS (
  SELECT `a``b key` AS id, name, region, balance, since, active
  FROM joined
)
SELECT *
FROM plain
