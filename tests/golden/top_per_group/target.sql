WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
first AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM (
    SELECT *, row_number() OVER (PARTITION BY status ORDER BY price DESC NULLS LAST, ordered ASC NULLS FIRST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS _row
    FROM orders
  ) AS _ranked
  WHERE _row <= 2
)
SELECT *
FROM first
