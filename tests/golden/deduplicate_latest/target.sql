WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
latest AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM (
    SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY ordered DESC NULLS LAST, order_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS _row
    FROM orders
  ) AS _ranked
  WHERE _row = 1
)
SELECT *
FROM latest
