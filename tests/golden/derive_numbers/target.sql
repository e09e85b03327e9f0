WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
more AS (
  SELECT
    *,
    round(price, 1) AS r,
    abs(price) AS a,
    price / 3 AS third,
    quantity % 2 AS m,
    quantity DIV 2 AS d,
    ceil(weight) AS c,
    power(weight, 2) AS p,
    greatest(quantity, 2) AS g,
    nullif(quantity, 1) AS n
  FROM orders
)
SELECT *
FROM more
