-- Persons who got more than three marketing messages on a day, over all providers and nodes. Parts of one message count once.
SELECT day, count(*) AS persons, max(messages) AS most
FROM (
    SELECT day, person, count(DISTINCT node * 281474976710656 + message) AS messages
    FROM journal
    WHERE kind = 'verdict' AND outcome = 'allow' AND category = 'marketing' AND day BETWEEN '2026-11-01' AND '2026-11-30'
    GROUP BY day, person
) AS held
WHERE messages > 3
GROUP BY day
ORDER BY day
