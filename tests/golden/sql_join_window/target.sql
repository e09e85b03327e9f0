WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
mine AS (
  WITH sums AS (
    SELECT
      orders.customer_id,
      sum(orders.price) AS revenue,
      count(*) AS n
    FROM orders
    WHERE
      orders.price > 0
    GROUP BY
      orders.customer_id
    HAVING
      count(*) >= 1
  )
  SELECT
    c.id,
    c.name,
    s.revenue,
    rank() OVER (ORDER BY s.revenue DESC) AS place,
    coalesce(s.n, 0) AS n,
    'it\'s {x}' AS note
  FROM customers AS c
  LEFT JOIN sums AS s
    ON c.id = s.customer_id
)
SELECT *
FROM mine
