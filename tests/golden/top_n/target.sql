WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
first AS (
  SELECT *
  FROM orders
  ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST
  LIMIT 3
)
SELECT *
FROM first
