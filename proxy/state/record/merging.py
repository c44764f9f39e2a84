"""Restores facts that the shared store's record has lost.

In: a record as the shared store has it, this node's copy of it, the node's number, since when something may be missing. Out: the
record with both. Never: a clock, a connection, the meaning of an entry.

A node vouches for its own entries (an entry's id begins with the number of its node) and for facts about the recipient. From the
moment ``since`` (seconds) its copy decides about those:

    an entry of its own that the store lacks                       is added, and so are opt-outs, withdrawals and consents by reply
    an entry of this life of the node (since ``begun``)            is removed: its swap was stored, but the node got no answer, and the
      that the copy lacks                                          message never left
    older entries, and those of other nodes                        stay as the store has them

Everything is by id, so it may be repeated. Where it can no longer be known (another node adopted an entry meanwhile, or an opt-out
was revoked) the recipient gets fewer messages, not more.
"""

from __future__ import annotations

from proxy.model.recipient import IN_DOUBT, Entry
from proxy.state.record import incomplete_multipart, record
from proxy.state.record.consent_facts import give_consent, refused_text, withdraw
from proxy.state.record.reply_ports import with_replies_of

NODE_SHIFT = 40
"""The first 8 of an entry id's 48 bits are the node's number."""
_ALL = 1 << 40


def merged(stored: bytes, own: bytes, node: int, since: int, begun: int) -> bytes:
    """``stored`` with the entries and facts that this node vouches for since ``since``; the very same object if nothing is missing."""
    return with_facts(_entries(stored, own, node, since, begun), own, since)


def with_facts(stored: bytes, own: bytes, since: int) -> bytes:
    """``stored`` with the facts about the recipient since ``since`` in this node's copy; entries stay unchanged."""
    merged_record = stored
    for refusal in record.opt_outs(own):
        if refusal.time >= since:
            merged_record = record.opt_out(merged_record, refusal)
    for one in record.withdrawals(own):
        if one.time >= since:
            merged_record = withdraw(merged_record, one)
    for given in record.consents_given(own):
        if given.time >= since:
            merged_record = give_consent(merged_record, given)
    for key, time in incomplete_multipart.torn(own):
        if time >= since:
            merged_record = incomplete_multipart.mark_incomplete(merged_record, key, time)
    if merged_record is not stored:
        merged_record = with_replies_of(merged_record, own)
        for text in record.Record(own).refused_texts():
            merged_record = refused_text(merged_record, text)
    return merged_record


def newest_of(data: bytes, node: int) -> int:
    """The time of this node's newest entry or fact in the record; 0 if none exists."""
    times = [one.time for one in record.entries(data) if one.id >> NODE_SHIFT == node]
    times += [one.time for one in record.opt_outs(data)] + [one.time for one in record.withdrawals(data)]
    times += [one.time for one in record.consents_given(data)]
    return max(times, default=0)


def _own(data: bytes, node: int, since: int) -> dict[int, Entry]:
    return {one.id: one for one in record.entries(data) if one.id >> NODE_SHIFT == node and one.time >= since}


def _entries(stored: bytes, own: bytes, node: int, since: int, begun: int) -> bytes:
    here, in_stored, after = _own(own, node, since), _own(stored, node, since), stored
    for number, entry in here.items():
        if number not in in_stored:
            after = record.add(after, entry, entry.time, _ALL)
        elif entry != in_stored[number]:
            after = record.amend(after, entry.pack())
        if entry.state in IN_DOUBT and (noted := record.entry_and_print(own, number)[1]) is not None:
            after = record.mark_unknown(after, number, noted)
    for number in in_stored.keys() - here.keys():
        if in_stored[number].time >= begun:
            after = record.remove(after, number)
    return after
