"""desk: the journal, and what is read from it.

In: records of what was decided and what became of it. Out: the same records, in order, verified. Never: a decision about a message.

    write_ahead_log.py   append, write, sync               journal/records/messages.py   kinds of records; verdicts, as bytes and back
    journal/records/answers.py  what became of what was sent
    scan.py      read and verify: torn, or damaged journal/records/delivers.py, journal/records/requests.py, journal/records/gate_events.py …   records of other subjects
    sealing.py   commit groups under a key         segment.py   bytes of a segment: header, records, groups
    disk.py      where segments lie: a directory,  erasure.py   a person taken out of a closed segment
                 or memory for tests
    archive/audit/intent.py     whom replies meant, what was sent after: a second reading (archive/audit/person_history.py: of records, archive/audit/plain_reading.py: of words), apart from the
                 path that records refusals
"""
