WITH orders AS (
  SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
  FROM dev.default.orders
),
typed AS (
  SELECT
    CAST(order_id AS STRING) AS order_id,
    customer_id,
    CAST(price AS DOUBLE) AS price,
    CAST(quantity AS DECIMAL(10,1)) AS quantity,
    weight,
    ordered,
    CAST(at AS DATE) AS at,
    status,
    tags,
    detail
  FROM orders
)
SELECT *
FROM typed
