WITH orders AS (
  SELECT price, quantity, status
  FROM dev.default.orders
),
wide AS (
  SELECT
    status,
    sum(price) FILTER (WHERE quantity = 1) AS `1_total`,
    count(*) FILTER (WHERE quantity = 1) AS `1_n`,
    sum(price) FILTER (WHERE quantity = 2) AS `2_total`,
    count(*) FILTER (WHERE quantity = 2) AS `2_n`
  FROM orders
  GROUP BY status
)
SELECT *
FROM wide
