-- The valid files, and the records of each table, from the manifests. Any other file is being written, or left from a kill.
CREATE OR REPLACE VIEW files AS
SELECT
    home, node,
    (one ->> 0)::UBIGINT AS first_record,
    (one ->> 1)::UBIGINT AS last_record,
    (one ->> 2)::BIGINT AS since_ms,
    (one ->> 3)::BIGINT AS until_ms,
    one ->> 4 AS chain_before,
    one ->> 5 AS chain_behind,
    one ->> 7 AS day,
    home || (file ->> 0) AS path,
    (file ->> 1)::UBIGINT AS row_count
FROM (
    SELECT home, node, one, unnest((one -> 9)::JSON[]) AS file
    FROM (
        SELECT regexp_replace(filename, 'manifest.json$', '') AS home, (content::JSON ->> 'node')::INTEGER AS node,
               unnest((content::JSON -> 'tables')::JSON[]) AS one
        FROM read_text('/var/lib/gate106/archive/node-*/manifest.json')
    )
);
