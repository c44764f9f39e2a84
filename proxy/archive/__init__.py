"""archive: the journal at rest. Tables that can be searched beside the chained segments, what proves them, and the questions asked of them.

In: segments that are closed and synced (desk). Out: Parquet tables sorted by person; answers, with what they cover. Never: a segment
changed, a number in the clear, anything a running gate waits for (it is another process, of the lowest priority).

    <folder>/node-0/manifest.json            what there is: every table with its records, digest, and the chain before and behind it
    <folder>/node-0/hours/…01.parquet        of one segment (an hour, or 64 MB), named after its first record
    <folder>/node-0/days/2026-11-11-….parquet   of all segments of a day in China: the hours become it once the day is over
    <folder>/node-0/days/….bloom              beside each table: which words it may hold
    <folder>/node-0/heads/2026-11-11.json    the manifest as of that day's end, signed
    <folder>/looked/…                        a journal of its own: who looked for whom while no gate ran

    keys.py      the secrets: a number's hash and its cipher, the signature     columns.py  journal records → rows (person_rows.py)
    parquet.py    rows → a sorted Parquet file, and many files → one             manifest.py what there is, swapped in one step
    rolling.py   segments → hours → days; crash and go on                       verification.py  the first record that is not as it was
    signed_heads.py     the daily signed head                                          search.py  questions (query.py) and answers; coverage.py:
    erasure.py   a person taken out of it
    access_records.py    who looked                                                     how much they stand on; tail.py: what is in no table yet,
                                                                                 segment_index.py where in it who is told of
    engine.py    DuckDB, held short                                             runtime/atomic_files.py   whole files or none
    bloom.py     which words are in no row of a table                           continuity.py     whether the journal goes on from its tables
    archive/audit/optout_audit.py     what was sent after an opt-out (archive/audit/intent.py), in journals    archive/audit/runner.py runs it over a gate's journals, once or steadily
                 that are followed as they grow (archive/audit/journal_follower.py)

**What is true** is the manifest: a file it does not name is of no account, whatever its name, and goes with the next roll. So every step is
*write beside, sync, rename, sync; swap the manifest, sync; remove what it names no more*, and a kill between any two loses and doubles nothing.

**Why the segments stay.** A table is for questions: it holds what people ask for. What decided a message, byte for byte and in order, is in
the segments, chained over commit groups; they stay for as long as records must be kept, and tables are proved against them. (That
is also why no checkpoint need have passed a segment before it is rolled.) A table goes when the last of its segments has gone by
a REMOVED record: retention, legal holds and the record of a removal are the journal's (journal/retention.py), and hold here without more.
"""
