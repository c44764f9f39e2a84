-- Refusals by caps beside allowed messages, by the advertiser that the registry has for a signature.
SELECT advertiser, sum(CASE WHEN outcome = 'allow' THEN 1 ELSE 0 END) AS allowed,
       sum(CASE WHEN reason = 'recipient-cap' THEN 1 ELSE 0 END) AS recipient_cap,
       sum(CASE WHEN reason = 'advertiser-cap' THEN 1 ELSE 0 END) AS advertiser_cap,
       sum(CASE WHEN reason IN ('category-cap', 'otp-cap', 'same-content', 'campaign-cap') THEN 1 ELSE 0 END) AS other_caps
FROM journal JOIN advertisers ON journal.signature = advertisers.signature
WHERE kind = 'verdict' AND day BETWEEN '2026-11-01' AND '2026-11-30'
GROUP BY advertiser
ORDER BY recipient_cap + advertiser_cap + other_caps DESC, advertiser
LIMIT 100
