WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
labelled AS (
  SELECT
    *,
    CASE
      WHEN price >= 50 THEN 'big'
      WHEN price < 10 AND ordered > date_sub(DATE '2024-03-10', 30) THEN 'it\'s small'
    END AS size
  FROM orders
)
SELECT *
FROM labelled
