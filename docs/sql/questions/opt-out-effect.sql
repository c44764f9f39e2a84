-- Marketing from the same port after an opt-out, refused or allowed. A scope or a time may allow it (an opt-out that was restored, or of
-- another category). Check each allowed one: `gate106 explain --message NODE:SEQUENCE`.
SELECT sent.provider AS sent_by, sent.outcome AS became, sent.reason AS why, count(*) AS submits, min(sent.time_ms - refused.time_ms) AS soonest_ms
FROM (SELECT * FROM journal WHERE kind = 'verdict' AND category = 'marketing' AND day >= '2026-11-01') AS sent
JOIN (SELECT person, port, min(time_ms) AS time_ms FROM journal WHERE kind = 'stopped' AND day >= '2026-11-01' GROUP BY person, port) AS refused
  ON sent.person = refused.person AND sent.port = refused.port
WHERE sent.time_ms > refused.time_ms
GROUP BY sent.provider, sent.outcome, sent.reason
ORDER BY submits DESC, sent_by, became, why
LIMIT 100
