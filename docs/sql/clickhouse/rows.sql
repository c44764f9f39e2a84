-- All rows of all nodes, from the files of the manifests, in place.
CREATE OR REPLACE VIEW journal AS
SELECT
    *,
    toDate(fromUnixTimestamp64Milli(time_ms, 'Asia/Shanghai')) AS day
FROM file('/var/lib/gate106/archive/node-*/{hours,days}/*.parquet', 'Parquet')
WHERE _path IN (SELECT path FROM files);
