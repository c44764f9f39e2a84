"""The write-ahead log of one gate.

In: records of decisions and of what followed. Out: the same records, in order, verified. Never: a decision about a message.

    write_ahead_log.py   appends, writes and syncs records
    segment.py           a segment as bytes: header, records, commit groups
    scan.py              reads and verifies segments; tells a torn tail from damage
    tail.py              reads a growing journal as far as it is synced
    sealing.py           encrypts commit groups
    disk.py              stores segments in a directory
    retention.py         removes old segments
    erasure.py           takes one person out of closed segments
    encoding.py          the values that record bodies consist of
    records/             every kind of record as bytes and back
"""
