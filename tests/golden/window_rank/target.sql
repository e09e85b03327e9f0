WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY customer_id ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS position,
    rank() OVER (PARTITION BY customer_id ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST) AS place,
    lag(price) OVER (PARTITION BY customer_id ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS previous,
    price - lag(price) OVER (PARTITION BY customer_id ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS step
  FROM orders
)
SELECT *
FROM ranked
