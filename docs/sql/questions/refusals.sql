-- Refusals by reason, rule, provider and category. A rule with ~ before it is in shadow, and refused nothing.
SELECT day, reason, rules, provider, category, count(*) AS submits, count(DISTINCT person) AS persons
FROM journal
WHERE kind = 'verdict' AND outcome <> 'allow' AND day BETWEEN '2026-11-01' AND '2026-11-30'
GROUP BY day, reason, rules, provider, category
ORDER BY day, submits DESC, reason, rules, provider, category
LIMIT 1000
