-- The topic: each event is one text. ClickHouse remembers by itself how far it has read.
CREATE TABLE IF NOT EXISTS stream_queue (event String)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'broker:9092', kafka_topic_list = 'gate106', kafka_group_name = 'clickhouse', kafka_format = 'JSONAsString';
