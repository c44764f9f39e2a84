-- The topic, when the views are there: ClickHouse begins to read it at once, and a view that is made later does not see what was read.
-- Each event is one text. ClickHouse remembers by itself how far it has read.
CREATE TABLE IF NOT EXISTS stream_queue (event String)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'broker:9092', kafka_topic_list = 'gate106', kafka_group_name = 'clickhouse', kafka_format = 'JSONAsString';
CREATE MATERIALIZED VIEW IF NOT EXISTS stream_feed TO stream_events AS SELECT event FROM stream_queue;
