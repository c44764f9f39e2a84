# relay/commit.py

def commit_refuse(self, list refused, now):
    cdef _RefusalBatch batch = None
    outbox = self.outbox
    if _pending_type is NULL:
        _learn_fields()
    for pending in refused:
        if _is_refused(pending):
            if batch is None:
                batch = _RefusalBatch(self.tally, self.refusals, self.admission.rules, now)
            batch.count(pending, <PendingFields *>pending)
            outbox.append((0, pending, batch.detail(pending, <PendingFields *>pending)))
            batch.keep(<PendingFields *>pending)
        else:
            if batch is not None:  # the Python version may cache it, too
                batch.finish()
                batch = None
            PURE["commit_refuse"](self, [pending], now)
    if batch is not None:
        batch.finish()
