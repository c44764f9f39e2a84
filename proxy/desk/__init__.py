"""desk: the journal, and what is read from it.

In: records of what was decided and what became of it. Out: the same records, in order, verified. Never: a decision about a message.

    journal.py   append, write, sync                            entries.py   what a record says, by kind
    scan.py      read and verify: torn tail or damage           segment.py   bytes of a segment: header, records, groups
    sealing.py   commit groups under a key         erasing.py   a person taken out of a closed segment
    disk.py      where segments lie: a directory, or memory for tests
"""
