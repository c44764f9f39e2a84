-- First and last record of each node, and the number of gaps, where a table does not follow the previous one. 0 in `holes` means that no
-- record in between is missing. The answers of all other queries cover these records only.
SELECT home, node, min(since_ms) AS since_ms, max(until_ms) AS until_ms, min(first_record) AS first, max(last_record) AS last,
       sum(CASE WHEN first_record <> min_record AND (last_before <> first_record - 1 OR chain_before <> chain_of_before) THEN 1 ELSE 0 END) AS holes
FROM (
    SELECT home, node, since_ms, until_ms, first_record, last_record, chain_before,
           min(first_record) OVER (PARTITION BY home) AS min_record,
           lag(last_record) OVER (PARTITION BY home ORDER BY first_record) AS last_before,
           lag(chain_behind) OVER (PARTITION BY home ORDER BY first_record) AS chain_of_before
    FROM (SELECT DISTINCT home, node, since_ms, until_ms, first_record, last_record, chain_before, chain_behind FROM files) AS tables_there
) AS placed
GROUP BY home, node
ORDER BY home
