-- All rows of all nodes, from the files of the manifests, in place.
CREATE OR REPLACE VIEW journal AS
SELECT
    * EXCLUDE (filename),
    make_timestamp((time_ms + 8 * 3600000) * 1000)::DATE AS day
FROM read_parquet(['/var/lib/gate106/archive/node-*/hours/*.parquet', '/var/lib/gate106/archive/node-*/days/*.parquet'], filename = true)
WHERE filename IN (SELECT path FROM files);
