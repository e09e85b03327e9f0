WITH customer AS (
  SELECT c_custkey, c_name, c_mktsegment
  FROM samples.tpch.customer
),
orders AS (
  SELECT o_orderkey, o_custkey, o_totalprice
  FROM samples.tpch.orders
),
join_orders AS (
  SELECT customer.*, orders.o_orderkey, orders.o_totalprice
  FROM customer
  LEFT JOIN orders
    ON customer.c_custkey = orders.o_custkey
),
revenue AS (
  SELECT
    c_custkey,
    c_name,
    c_mktsegment,
    sum(o_totalprice) AS revenue,
    count(o_orderkey) AS order_count,
    avg(o_totalprice) AS average_order_value
  FROM join_orders
  GROUP BY c_custkey, c_name, c_mktsegment
),
segment AS (
  SELECT
    *,
    CASE
      WHEN revenue IS NOT NULL AND percent_rank() OVER (ORDER BY revenue DESC NULLS LAST) < 0.2 THEN 'high value'
      ELSE 'standard'
    END AS segment
  FROM revenue
)
SELECT *
FROM segment
