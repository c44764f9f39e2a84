-- Messages of each hour of a day, by node. Hours are of Beijing.
SELECT node, floor((time_ms + 28800000) / 3600000) % 24 AS hour, count(*) AS submits,
       sum(CASE WHEN outcome = 'allow' THEN 0 ELSE 1 END) AS refused
FROM journal
WHERE kind = 'verdict' AND day = '2026-11-11'
GROUP BY node, floor((time_ms + 28800000) / 3600000) % 24
ORDER BY node, hour
