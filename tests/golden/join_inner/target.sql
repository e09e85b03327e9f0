WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
joined AS (
  SELECT
    customers.*,
    orders.order_id,
    orders.customer_id,
    orders.price,
    orders.quantity,
    orders.weight,
    orders.ordered,
    orders.at,
    orders.status,
    orders.tags,
    orders.detail
  FROM customers
  INNER JOIN orders
    ON customers.id = orders.customer_id
)
SELECT *
FROM joined
