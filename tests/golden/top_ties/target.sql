WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
first AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM (
    SELECT *, rank() OVER (ORDER BY price DESC NULLS LAST) AS _rank
    FROM orders
  ) AS _ranked
  WHERE _rank <= 2
)
SELECT *
FROM first
