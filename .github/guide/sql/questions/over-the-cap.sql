-- Persons whom more than three marketing messages reached on a day, all providers and nodes together. Parts of one message are one.
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
