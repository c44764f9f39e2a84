-- The valid files, and the records of each table, from the manifests. Any other file is being written, or left from a kill.
CREATE OR REPLACE VIEW files AS
SELECT
    home,
    node,
    JSONExtractUInt(one, 1) AS first_record,
    JSONExtractUInt(one, 2) AS last_record,
    JSONExtractInt(one, 3) AS since_ms,
    JSONExtractInt(one, 4) AS until_ms,
    JSONExtractString(one, 5) AS chain_before,
    JSONExtractString(one, 6) AS chain_behind,
    JSONExtractString(one, 8) AS day,
    concat(home, JSONExtractString(file, 1)) AS path,
    JSONExtractUInt(file, 2) AS row_count
FROM
(
    SELECT
        replaceRegexpOne(_path, '[^/]*$', '') AS home,
        JSONExtractUInt(manifest, 'node') AS node,
        arrayJoin(JSONExtractArrayRaw(manifest, 'tables')) AS one
    FROM file('/var/lib/gate106/archive/node-*/manifest.json', 'LineAsString', 'manifest String')
)
ARRAY JOIN JSONExtractArrayRaw(one, 10) AS file;
