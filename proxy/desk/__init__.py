"""desk: the journal, and what is read from it.

In: records of what was decided and what became of it. Out: the same records, in order, verified. Never: a decision about a message.

    journal.py   append, write, sync               entries.py   kinds of records; verdicts, as bytes and back
    answered.py  what became of what was sent
    scan.py      read and verify: torn, or damaged returned.py, requested.py, itself.py …   records of other subjects
    sealing.py   commit groups under a key         segment.py   bytes of a segment: header, records, groups
    disk.py      where segments lie: a directory,  erasing.py   a person taken out of a closed segment
                 or memory for tests
    meant.py     whom replies meant, what was sent after: a second reading (person_history.py: of records, plain.py: of words), apart from the
                 path that records refusals
"""
