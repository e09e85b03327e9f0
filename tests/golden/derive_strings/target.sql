WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
more AS (
  SELECT
    *,
    upper(name) AS u,
    substring(name, 1, 2) AS s,
    length(name) AS l,
    replace(name, 'a', 'ä') AS rep,
    regexp_replace(name, '[aeiou]', '_') AS x,
    name || '\'s "quote" {brace} \\ back' AS q,
    split(name, 'e')[0] AS sp
  FROM customers
)
SELECT *
FROM more
