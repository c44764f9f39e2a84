"""Changes recipients' records, live and when the journal is replayed."""
