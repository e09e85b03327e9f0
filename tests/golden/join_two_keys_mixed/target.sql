WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT order_id, customer_id, price
  FROM dev.default.orders
),
ids AS (
  SELECT order_id, customer_id AS id, price
  FROM orders
),
regions AS (
  SELECT *, CASE WHEN price > 10 THEN 'north' ELSE 'east' END AS area
  FROM ids
),
joined AS (
  SELECT
    coalesce(customers.id, regions.id) AS id,
    customers.name,
    customers.region,
    customers.balance,
    customers.since,
    customers.active,
    regions.order_id,
    regions.price
  FROM customers
  FULL JOIN regions
    ON customers.id = regions.id
    AND customers.region = regions.area
)
SELECT *
FROM joined
