WITH orders AS (
  SELECT order_id, quantity, weight
  FROM dev.default.orders
),
slim AS (
  SELECT order_id, quantity, weight
  FROM orders
),
long AS (
  SELECT *
  FROM (
    SELECT slim.order_id, _long.what, _long.amount
    FROM slim
    LATERAL VIEW stack(2, 'quantity', CAST(slim.quantity AS DOUBLE), 'weight', slim.weight) _long AS what, amount
  ) AS _all
  WHERE amount IS NOT NULL
)
SELECT *
FROM long
