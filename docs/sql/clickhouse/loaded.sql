-- The same rows in tables of ClickHouse, for many queries a day: a partition a day, sorted by person like the files. Repeated words take
-- a byte or two; the index of pieces of four letters serves searches for a piece of a text.
CREATE TABLE IF NOT EXISTS loaded
(
    person UInt64,
    sealed Nullable(FixedString(16)),
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
    day Date,
    INDEX pieces text TYPE ngrambf_v1(4, 65536, 3, 106) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (person, time_ms, node, sequence, place);
