WITH customers AS (
  SELECT id, name, region, balance, since, active
  FROM dev.default.customers
),
labelled AS (
  SELECT
    *,
    CASE
      WHEN balance IS NOT NULL AND percent_rank() OVER (ORDER BY balance DESC NULLS LAST) < 0.2 THEN 'high value'
      WHEN balance IS NOT NULL AND percent_rank() OVER (ORDER BY balance DESC NULLS LAST) < 0.5 THEN 'mid'
      ELSE 'low'
    END AS class
  FROM customers
)
SELECT *
FROM labelled
