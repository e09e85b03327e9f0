WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
mine AS (
  SELECT
    *
  FROM (
    SELECT
      orders.order_id,
      orders.status
    FROM orders
    WHERE
      orders.status IS NOT NULL
    UNION ALL
    SELECT
      o.order_id,
      o.detail.code
    FROM orders AS o
  ) AS both_rows
  ORDER BY
    both_rows.order_id DESC,
    both_rows.status
  LIMIT 5
)
SELECT *
FROM mine
