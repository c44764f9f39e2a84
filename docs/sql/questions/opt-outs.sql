-- Opt-outs by reply per 1,000 allowed messages, by the port of the reply.
SELECT port, provider, sum(CASE WHEN kind = 'optout' THEN 1 ELSE 0 END) AS refusals,
       sum(CASE WHEN kind = 'verdict' AND outcome = 'allow' THEN 1 ELSE 0 END) AS sent,
       round(1000.0 * sum(CASE WHEN kind = 'optout' THEN 1 ELSE 0 END)
             / greatest(1, sum(CASE WHEN kind = 'verdict' AND outcome = 'allow' THEN 1 ELSE 0 END)), 2) AS per_thousand
FROM journal
WHERE day BETWEEN '2026-11-01' AND '2026-11-30'
GROUP BY port, provider
HAVING sum(CASE WHEN kind = 'optout' THEN 1 ELSE 0 END) > 0
ORDER BY per_thousand DESC, port, provider
LIMIT 100
