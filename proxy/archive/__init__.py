"""Stores closed journal segments as searchable, provable Parquet tables.

In: segments that are closed and synced (journal/). Out: Parquet tables sorted by person; answers, with what they cover. Never: a segment
changed, a number in the clear, anything a running gate waits for (the archive is another process, of the lowest priority).

    <folder>/node-0/manifest.json            every table with its records, digest, and the chain before and after it
    <folder>/node-0/hours/…01.parquet        of one segment (an hour, or 64 MB), named after its first record
    <folder>/node-0/days/2026-11-11-….parquet   of all segments of a day in China: the hours are merged once the day is over
    <folder>/node-0/days/….bloom              beside each table: which words it may hold
    <folder>/node-0/heads/2026-11-11.json    the manifest as of that day's end, signed
    <folder>/looked/…                        a journal of its own: who looked up whom while no gate ran

    secret_keys.py                  the secrets: a number's hash and cipher, the signature; pseudonym_key.py opens the hash key for the store
    columns.py               journal records → rows (query.py)
    parquet.py               rows → a sorted Parquet file, and many files → one; DuckDB with bounded memory
    manifest.py              lists a node's tables; replaced in one step
    rolling.py               segments → hours → days; restarts after a kill
    continuity.py            checks that the journal continues where its tables end
    table_filters.py                 which words are in no row of a table
    signed_heads.py          the daily signed head
    verification.py          finds the first record that is not as it was written
    person_erasure.py               takes a person out of segments and tables
    search.py                answers a query (query.py); similar_texts.py, complaint_matching.py, provider_refusals.py: other questions
    otp_texts.py             which texts may be one-time passwords
    coverage.py              what an answer is read from, and how much it covers; unrolled_records.py: what is in no table yet;
                             segment_index.py: where persons occur in it
    access_records.py        records who looked up a person
    stream/                 sends records to Kafka as events
    audit/                   finds marketing that was sent after an opt-out

**The manifest is the truth**: a file that it does not name does not count, whatever its name, and the next roll removes it. So every step
is *write beside, sync, rename, sync; replace the manifest, sync; remove what it no longer names*. A kill between any two loses and doubles
nothing.

**Why the segments stay.** A table holds what people ask for. What decided a message, byte for byte and in order, is in the segments,
chained over commit groups. They stay for as long as records must be kept, and tables are verified against them. (That is also why no
checkpoint need have passed a segment before it is rolled.) A table goes when the last of its segments has gone by a REMOVED record:
retention, legal holds and the record of a removal belong to the journal (journal/retention.py), and apply here, too.
"""
