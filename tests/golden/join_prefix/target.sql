WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
renamed AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status AS region, tags, detail
  FROM orders
),
joined AS (
  SELECT
    customers.*,
    renamed.order_id,
    renamed.customer_id,
    renamed.price,
    renamed.quantity,
    renamed.weight,
    renamed.ordered,
    renamed.at,
    renamed.region AS o_region,
    renamed.tags,
    renamed.detail
  FROM customers
  INNER JOIN renamed
    ON customers.id = renamed.customer_id
)
SELECT *
FROM joined
