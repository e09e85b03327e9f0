WITH orders AS (
  SELECT price, quantity
  FROM dev.default.orders
),
lambda AS (
  SELECT *, price AS `order`, quantity + 1 AS `größe`
  FROM orders
),
print AS (
  SELECT `order`, max(`größe`) AS `select`
  FROM lambda
  GROUP BY `order`
)
SELECT *
FROM print
