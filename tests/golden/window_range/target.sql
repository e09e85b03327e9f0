WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
shares AS (
  SELECT
    *,
    sum(price) OVER (PARTITION BY status ORDER BY quantity ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS so_far,
    percent_rank() OVER (PARTITION BY status ORDER BY quantity ASC NULLS LAST) AS pr,
    ntile(4) OVER (PARTITION BY status ORDER BY quantity ASC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, price ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST) AS quarter
  FROM orders
)
SELECT *
FROM shares
