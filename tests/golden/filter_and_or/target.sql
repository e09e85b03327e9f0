WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
kept AS (
  SELECT *
  FROM orders
  WHERE (status IN ('F', 'O') OR quantity IS NULL) AND price NOT BETWEEN 0 AND 5
)
SELECT *
FROM kept
