-- The rows of events, once each: an event that comes twice has the same key, and the view reads with FINAL. `source` is the journal.
-- Nothing stays longer than in the journal: the TTL is retention.days.
CREATE TABLE IF NOT EXISTS streamed
(
    person UInt64,
    source LowCardinality(String),
    node UInt16,
    time_ms Int64 CODEC(Delta, ZSTD),
    sequence UInt64 CODEC(Delta, ZSTD),
    place UInt32,
    kind LowCardinality(String),
    provider LowCardinality(String),
    account LowCardinality(String),
    port LowCardinality(String),
    outcome LowCardinality(String),
    reason LowCardinality(String),
    status UInt32,
    category LowCardinality(String),
    signature LowCardinality(String),
    text String CODEC(ZSTD(3)),
    rules LowCardinality(String),
    revision LowCardinality(String),
    message UInt64,
    verdict UInt64,
    part UInt8,
    parts UInt8,
    message_id String,
    state LowCardinality(String),
    day Date
)
ENGINE = ReplacingMergeTree
PARTITION BY day
ORDER BY (person, time_ms, source, sequence, place)
TTL day + INTERVAL 190 DAY;
-- Events pass through here and are not kept: each view of it sees all that the topic brings.
CREATE TABLE IF NOT EXISTS stream_events (event String) ENGINE = Null;
-- Tombstones: in a journal, from a record to a record, nothing of a person counts but what they refused.
CREATE TABLE IF NOT EXISTS erasures (person UInt64, source String, first UInt64, last UInt64)
ENGINE = ReplacingMergeTree
ORDER BY (person, source, first, last);
