-- Recipients of the same text in a day.
SELECT provider, port, signature, count(*) AS submits, count(DISTINCT person) AS persons, min(time_ms) AS first_ms, max(time_ms) AS last_ms
FROM journal
WHERE kind = 'verdict' AND outcome = 'allow' AND text LIKE '%上新%' AND day = '2026-11-11'
GROUP BY provider, port, signature
ORDER BY persons DESC, provider, port, signature
LIMIT 100
