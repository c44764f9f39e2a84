-- All rows of one person, on all nodes. The number is the output of `gate106 journal hash-number`.
SELECT node, sequence, time_ms, kind, provider, port, signature, outcome, reason, state, text
FROM journal
WHERE person = 1234567890
ORDER BY time_ms, node, sequence, place
LIMIT 1000
