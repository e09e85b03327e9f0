WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
latest AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM (
    SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY customer_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS _row
    FROM orders
  ) AS _ranked
  WHERE _row = 1
),
slim AS (
  SELECT order_id, price, status
  FROM latest
)
SELECT *
FROM slim
