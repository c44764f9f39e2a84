-- Senders and ports of a signature: more than one provider may mean that it was lent.
SELECT provider, account, port, count(*) AS submits, count(DISTINCT person) AS persons,
       sum(CASE WHEN outcome = 'allow' THEN 0 ELSE 1 END) AS refused, min(time_ms) AS first_ms, max(time_ms) AS last_ms
FROM journal
WHERE kind = 'verdict' AND signature = '甲店' AND day BETWEEN '2026-11-01' AND '2026-11-30'
GROUP BY provider, account, port
ORDER BY submits DESC, provider, account, port
LIMIT 100
