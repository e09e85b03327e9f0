WITH orders AS (
  SELECT order_id, price, quantity, weight, ordered, status
  FROM dev.default.orders
),
sums AS (
  SELECT
    status,
    count_if(quantity IS NULL) / count(*) AS open_share,
    sum(price) FILTER (WHERE price > 10) AS big,
    percentile(price, 0.9) AS p90,
    stddev(weight) AS spread,
    median(quantity) AS mid,
    max_by(order_id, ordered) AS latest
  FROM orders
  GROUP BY status
)
SELECT *
FROM sums
