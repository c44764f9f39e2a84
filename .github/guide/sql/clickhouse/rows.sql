-- All rows of all nodes, of the files that count, where they lie.
CREATE OR REPLACE VIEW journal AS
SELECT
    *,
    toDate(fromUnixTimestamp64Milli(time_ms, 'Asia/Shanghai')) AS day
FROM file('/var/lib/gate106/archive/node-*/{hours,days}/*.parquet', 'Parquet')
WHERE _path IN (SELECT path FROM files);
