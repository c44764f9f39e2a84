"""Sends the journal's records to Kafka as CloudEvents, at least once.

    events.py   a record → a CloudEvent without numbers and texts
    sender.py   journal → Kafka, and how far it has come

The sender is a process of its own of the lowest priority (server/restarted_processes.py): no message waits for it. The journal is the truth;
the sender only reads it, and only what the journal claims to be synced.
"""
