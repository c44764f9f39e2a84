-- From events to rows. Values that are 0 or empty are left out of events, and come back here.
CREATE MATERIALIZED VIEW IF NOT EXISTS stream_rows TO streamed AS
SELECT
    toUInt64OrZero(JSONExtractString(one, 'person')) AS person,
    JSONExtractString(event, 'source') AS source,
    JSONExtractUInt(event, 'data', 'node') AS node,
    JSONExtractInt(one, 'time_ms') AS time_ms,
    JSONExtractUInt(event, 'data', 'sequence') AS sequence,
    JSONExtractUInt(one, 'place') AS place,
    JSONExtractString(one, 'kind') AS kind,
    JSONExtractString(one, 'provider') AS provider,
    JSONExtractString(one, 'account') AS account,
    JSONExtractString(one, 'port') AS port,
    JSONExtractString(one, 'outcome') AS outcome,
    JSONExtractString(one, 'reason') AS reason,
    JSONExtractUInt(one, 'status') AS status,
    JSONExtractString(one, 'category') AS category,
    JSONExtractString(one, 'signature') AS signature,
    JSONExtractString(one, 'text') AS text,
    JSONExtractString(one, 'rules') AS rules,
    JSONExtractString(one, 'revision') AS revision,
    JSONExtractUInt(one, 'message') AS message,
    JSONExtractUInt(one, 'verdict') AS verdict,
    JSONExtractUInt(one, 'part') AS part,
    JSONExtractUInt(one, 'parts') AS parts,
    JSONExtractString(one, 'message_id') AS message_id,
    JSONExtractString(one, 'state') AS state,
    toDate(fromUnixTimestamp64Milli(time_ms, 'Asia/Shanghai')) AS day
FROM (SELECT event, arrayJoin(JSONExtractArrayRaw(event, 'data', 'rows')) AS one FROM stream_events);
CREATE MATERIALIZED VIEW IF NOT EXISTS stream_erasures TO erasures AS
SELECT
    toUInt64OrZero(JSONExtractString(event, 'data', 'tombstone', 'person')) AS person,
    JSONExtractString(event, 'source') AS source,
    JSONExtractUInt(event, 'data', 'tombstone', 'first') AS first,
    JSONExtractUInt(event, 'data', 'tombstone', 'last') AS last
FROM stream_events
WHERE JSONHas(event, 'data', 'tombstone');
-- What was erased is gone from this view at once: only what the person refused stays, without its text.
CREATE OR REPLACE VIEW journal AS
SELECT * REPLACE (if(gone, '', text) AS text)
FROM
(
    SELECT
        *,
        person IN (SELECT person FROM erasures) AND arrayExists(
            one -> one.1 = person AND one.2 = source AND sequence BETWEEN one.3 AND one.4,
            (SELECT groupArray((person, source, first, last)) FROM erasures)
        ) AS gone
    FROM streamed FINAL
)
WHERE NOT gone OR kind IN ('stopped', 'restored', 'confirmed', 'officer', 'consented');
