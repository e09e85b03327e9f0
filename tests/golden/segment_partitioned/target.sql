WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
labelled AS (
  SELECT
    *,
    CASE
      WHEN price IS NOT NULL AND percent_rank() OVER (PARTITION BY status ORDER BY price DESC NULLS LAST) < 0.5 THEN 'top'
      ELSE 'rest'
    END AS class
  FROM orders
)
SELECT *
FROM labelled
