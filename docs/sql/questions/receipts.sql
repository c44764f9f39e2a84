-- States of the carrier's receipts, by provider.
SELECT day, provider, count(*) AS receipts, sum(CASE WHEN state = 'DELIVRD' THEN 1 ELSE 0 END) AS delivered,
       round(100.0 * sum(CASE WHEN state = 'DELIVRD' THEN 1 ELSE 0 END) / count(*), 2) AS percent
FROM journal
WHERE kind = 'receipt' AND day BETWEEN '2026-11-01' AND '2026-11-30'
GROUP BY day, provider
ORDER BY day, provider
LIMIT 1000
