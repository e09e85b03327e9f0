SELECT order_id, customer_id, price, quantity, weight, ordered, at, status, tags, detail
FROM dev.default.orders
WHERE status = 'F' AND price > 10
