WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
ranked AS (
  SELECT
    *,
    sum(price) OVER (PARTITION BY status ORDER BY ordered ASC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS moving,
    count(*) OVER (PARTITION BY status ORDER BY ordered ASC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS n,
    first_value(price) OVER (PARTITION BY status ORDER BY ordered ASC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS first_price
  FROM orders
)
SELECT *
FROM ranked
