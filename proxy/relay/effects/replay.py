"""Replays the journal into the store; never judges again.

In: the journal from a position; the store as its checkpoint has it. Out: the store; entries without an answer; the highest id. Never: rules.

Effects on records are idempotent by entry id, so the checkpoint may be newer than the position. Aggregates and the mailbox are exact at
``counted_from``: only later records are applied to them.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from proxy.journal.encoding import unpack
from proxy.journal.records import (
    complaints,
    consents,
    delivers,
    doubtful_replies,
    erasure_requests,
    evidence,
    gate_events,
    mailbox,
    messages,
    operator_actions,
    penalties,
    probes,
    recycled_numbers,
    requests,
)
from proxy.journal.records.answers import CarrierAnswer, unpack_answers
from proxy.journal.write_ahead_log import JournalNewer, JournalRecord
from proxy.model.message import hash32
from proxy.model.recipient import EntryState
from proxy.relay.effects import consents as consents_of
from proxy.relay.effects import list_import, reply_paths
from proxy.relay.effects.consents import change_beside, consented_beside, consented_record, person_changed
from proxy.relay.effects.list_import import ListImports
from proxy.relay.effects.optouts import confirm, keep_texts, put_on_list, refuse, restore_port
from proxy.relay.effects.record_changes import Effect, ResendAccepted, doubted
from proxy.relay.effects.suppression import officer_changed, take_off
from proxy.state.lists.desk_records import hour_of_node
from proxy.state.record import incomplete_multipart, record, reply_ports
from proxy.state.record.merging import NODE_SHIFT

if TYPE_CHECKING:
    from proxy.relay.message_index import Restoring
    from proxy.state.stores.sqlite import SqliteStore

ID_GAP = 1 << 16
"""Ids skipped at a start: a power loss may have taken verdicts from the journal whose messages had left, and an answer to one of
them must never settle another message. More than are given out between two syncs."""

SHARED = frozenset({
    messages.OPTOUT, messages.RESTORED, messages.SAID, messages.PERSON, messages.SUPPRESSED, messages.ORDERED, messages.LIFTED,
    messages.LISTING, messages.LISTED, messages.LISTING_DONE, messages.CONSENT_FILE, messages.CONSENTS, messages.CONSENT_EVENT,
    messages.TOLD, messages.START, messages.REFUSED_SAID, messages.CASED, messages.PENALIZED, messages.COUNTED,
    messages.COUNTED_APART, messages.NAMED, messages.DOUBTFUL, messages.DECISION, messages.CONSENT_REPLY, messages.REPLY_PATH, messages.PROBE,
    messages.RECYCLING, messages.ERASURE_REQUESTED,
})  # fmt: skip
"""Record kinds that gates on one store replicate: recipients' replies, orders, lists, consents; cases and penalties; counts of providers and
reply paths; probes; feeds of recycled numbers; requests to be erased."""
PERSONAL = frozenset({
    messages.OPTOUT, messages.RESTORED, messages.SAID, messages.PERSON, messages.SUPPRESSED, messages.REFUSED_SAID, messages.DOUBTFUL,
    messages.DECISION, messages.CONSENT_REPLY,
})  # fmt: skip
"""Record kinds that change one recipient's record, and decisions about such records."""


class NotUnderstood(ValueError):
    """A record of another gate, of a newer version, that this version does not know."""


@dataclass(slots=True)
class Replayed:
    """What a replay found."""

    records: int = 0
    highest_id: int = 0
    last_sequence: int = 0
    open: dict[int, messages.VerdictRecord] = field(default_factory=dict)
    """Allowed, sent or about to be, and never answered: by the verdict's place in the journal, because the parts of a long message
    share one entry. ``settle_open`` makes it unknown."""
    learnt: list[gate_events.LearntIds] = field(default_factory=list)
    """What carriers' answers taught about their ids, in order: for ``MessageIds.restore``."""
    touched: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Persons whose record was added to, with the time and the keep_s to prune it by at the end."""
    read_to: tuple[int, int] = (0, 0)
    """How far the shared log was read."""
    unpublished: list[JournalRecord] = field(default_factory=list)
    """Records that other gates must hear of, and perhaps have."""
    listings: ListImports | None = None
    """Imports that are incomplete at the end of the replay."""


class ReplicatedFacts(Protocol):
    """Records of other gates, for several journals that are replayed side by side (desk/backtest/commit_groups.py)."""

    listings: ListImports

    def is_new(self, replicated: gate_events.ReplicatedRecord) -> bool: ...


def replay(
    store: SqliteStore,
    journal: Iterable[JournalRecord],
    counted_from: int,
    ids: Restoring | None = None,
    *,
    tells: bool = False,
) -> Replayed:
    """Applies journal records to the store, as Replaying. Raises JournalNewer at a kind of record that a later gate brought."""
    replaying = Replaying(store, counted_from, ids, tells=tells)
    for item in journal:
        replaying.take(item)
    return replaying.end()


class Replaying:
    """A replay, record by record."""

    def __init__(
        self,
        store: SqliteStore,
        counted_from: int,
        ids: Restoring | None = None,
        keep_least_s: int = 0,
        by_lives: bool = False,
        tells: bool = False,
        others: ReplicatedFacts | None = None,
    ) -> None:
        """Takes of aggregates are applied only from records after ``counted_from``. ``ids`` hears of what carriers took and of texts that were
        replaced. ``keep_least_s``: entries are kept at least so long, whatever the rules of then needed. ``by_lives``: what one life of the
        gate left open is unknown from the next start on, as it was then; else the caller settles it at the end. ``tells``: what other
        gates must hear is wanted. ``others``: says of what was heard whether it is to be applied, where several are replayed into one
        store."""
        self._store, self._counted_from, self._ids, self._keep_least_s = store, counted_from, ids, keep_least_s
        self._by_lives, self._publishes, self._others = by_lives, tells, others
        self.done = Replayed()
        self.done.listings = ListImports(store.listed)

    def take(self, item: JournalRecord) -> None:
        store, done, ids, kind = self._store, self.done, self._ids, item.kind
        done.records += 1
        done.last_sequence = item.sequence
        counts = item.sequence > self._counted_from
        if self._publishes and kind in SHARED:
            done.unpublished.append(item)
        if kind == messages.VERDICT:
            submit = messages.unpack_verdict(item.body)
            submit = submit if submit.keep_s >= self._keep_least_s else submit._replace(keep_s=self._keep_least_s)
            apply_verdict(store, submit, item.sequence, counts, done)
            if ids is not None and submit.adopts:
                ids.allowed(submit)
        elif kind in (messages.ANSWER, messages.ACCEPTED):
            _answers(store, item, counts, done, ids)
        elif kind == messages.START:
            _started(store, item, done, self._by_lives)
        elif kind == messages.UNREPLACED:
            event = unpack(requests.Unreplaced, item.body)
            apply_unreplaced(store, event, counts, done)
            if ids is not None:
                ids.unreplaced(event)
        elif kind == messages.TORN:
            apply_torn(store, unpack(messages.Torn, item.body))
        elif kind == messages.SHARE:
            apply_share(store, unpack(requests.CounterShare, item.body), counts, done)
        elif kind not in messages.KINDS:  # whatever it did, this gate would forget
            raise JournalNewer(f"record {item.sequence}", f"its kind {kind} is newer than this gate knows")
        elif not _learnt(store, item, done, self._others) and counts:
            _mail(store, item)

    def end(self) -> Replayed:
        """All was taken."""
        for person, (time, keep_s) in self.done.touched.items():
            self._store.update(person, lambda data, at=int(time), keep=keep_s: record.prune(data, at, keep))  # type: ignore[misc]
        return self.done


def _started(store: SqliteStore, item: JournalRecord, done: Replayed, by_lives: bool) -> None:
    done.highest_id = max(done.highest_id, unpack(gate_events.Start, item.body).first_id)
    assert done.listings is not None
    done.listings.abandon()
    if by_lives:
        settle_open(store, done)
        done.open.clear()


def _learnt(store: SqliteStore, item: JournalRecord, done: Replayed, others: ReplicatedFacts | None) -> bool:
    """What is applied whenever it was written; whether the record is of such a kind."""
    assert done.listings is not None
    if item.kind == messages.IDS:
        done.learnt.append(unpack(gate_events.LearntIds, item.body))
    elif item.kind == messages.HEARD:
        event = unpack(gate_events.ReplicatedRecord, item.body)
        done.read_to = event.place
        if others is not None and not others.is_new(event):
            return True
        with contextlib.suppress(NotUnderstood):  # as it was when it came
            apply_heard(store, event, done.listings if others is None else others.listings)
    else:
        return apply_person(store, item) or apply_operated(store, item, done.listings)
    return True


def apply_person(store: SqliteStore, item: JournalRecord) -> bool:
    """What people said, and what was kept of it; whether the record is of such a kind."""
    if item.kind == messages.OPTOUT:
        _refused(store, unpack(delivers.OptedOut, item.body))
    elif item.kind == messages.RESTORED:
        back = unpack(delivers.Restored, item.body)
        store.apply_fact(back.recipient, lambda data: restore_port(data, back.lifted, back.port, int(back.time)))
    elif item.kind == messages.SAID:
        submit = unpack(delivers.ConfirmationSent, item.body)
        store.apply_fact(submit.recipient, lambda data: confirm(data, submit.refusal, submit.port, int(submit.time)))
    elif item.kind == messages.PERSON:
        change = unpack(consents.ConsentChange, item.body)
        store.apply_fact(change.recipient, lambda data: person_changed(data, change))
        change_beside(store, change)
    elif item.kind == messages.CONSENT_REPLY:
        agreed = unpack(consents.ConsentReply, item.body)
        store.apply_fact(agreed.recipient, lambda data: consented_record(data, agreed))
        consented_beside(store.consented, agreed)
    elif item.kind == messages.SUPPRESSED:
        ordered = unpack(operator_actions.Suppressed, item.body)
        store.apply_fact(
            ordered.recipient, lambda data: officer_changed(data, ordered.added, ordered.lifted, int(ordered.time))
        )
        take_off(store.listed, ordered.recipient, ordered.lifted)
    elif item.kind == messages.REFUSED_SAID:
        kept = unpack(evidence.OptOutWording, item.body)
        store.apply_fact(kept.recipient, lambda data: keep_texts(data, kept.texts))
    elif item.kind == messages.DOUBTFUL:
        reply = unpack(doubtful_replies.Doubtful, item.body)
        put_on_list(store, item.body)
        store.apply_fact(reply.recipient, lambda data: refuse(data, reply.held, reply.port))
    elif item.kind == messages.DECISION:
        store.decisions.hear(doubtful_replies.id_of(item.body), item.body)
    else:
        return False
    return True


def apply_heard(store: SqliteStore, replicated: gate_events.ReplicatedRecord, listings: ListImports) -> None:
    """What another gate wrote: of the same effect here, but in a numbering of its own. NotUnderstood, before anything is changed."""
    inner, imports = JournalRecord(replicated.sequence, replicated.kind, replicated.body), listings.of(replicated.node)
    if replicated.kind == messages.START:
        imports.abandon()
    elif replicated.kind not in SHARED:
        raise NotUnderstood(f"kind {replicated.kind}")
    else:
        try:
            if replicated.kind in (messages.COUNTED, messages.COUNTED_APART):
                by_provider = replicated.kind == messages.COUNTED
                hour = unpack(penalties.HourByProvider if by_provider else penalties.HourBySignature, replicated.body)
                hours = store.hours if by_provider else store.hours_apart
                hours.hear(hour_of_node(replicated.node, hour[0]), replicated.body)
                return
            if replicated.kind == messages.REPLY_PATH:
                reply_paths.keep(store.reply_paths, replicated.body, replicated.node)
                return
            # this gate logged that when the record arrived, and went on without it
            with contextlib.suppress(list_import.IncompleteList, consents_of.IncompleteConsents):
                _ = apply_person(store, inner) or apply_operated(store, inner, imports)
        except (LookupError, TypeError, struct.error, UnicodeError) as error:
            raise NotUnderstood(f"kind {replicated.kind}: {error!r}") from error


_KEPT: Final[dict[int, Callable[[SqliteStore, int, bytes], object]]] = {
    messages.ORDERED: lambda store, _, body: store.orders.put(unpack(operator_actions.Ordered, body).order.id, body),
    messages.REVISED: lambda store, sequence, body: store.history.put(sequence, body),
    messages.LIFTED: lambda store, _, body: store.orders.drop(unpack(operator_actions.Lifted, body).order),
    messages.TOLD: lambda store, _, body: store.idempotency_keys.remember(
        unpack(operator_actions.ExternalOptOut, body).key, body
    ),
    messages.CASED: lambda store, _, body: store.cases.hear(unpack(complaints.Case, body).id, body),
    messages.PENALIZED: lambda store, _, body: store.penalties.hear(unpack(penalties.Penalty, body).id, body),
    messages.COUNTED: lambda store, _, body: store.hours.put(unpack(penalties.HourByProvider, body)[0] // 3600, body),
    messages.COUNTED_APART: lambda store, _, body: store.hours_apart.put(
        unpack(penalties.HourBySignature, body)[0] // 3600, body
    ),
    messages.REPLY_PATH: lambda store, _, body: reply_paths.keep(store.reply_paths, body),
    messages.PROBE: lambda store, _, body: probes.store_record(store.probes, body),
    messages.RECYCLING: lambda store, _, body: recycled_numbers.keep_feed(store.recycled, body),
    messages.ERASURE_REQUESTED: lambda store, _, body: store.erasure_requests.hear(
        unpack(erasure_requests.ErasureRequest, body).id, body
    ),
    messages.OPERATED: lambda *_: None,
}
"""What the store keeps of orders, complaints, penalties and providers: from the record's number and body."""


def apply_operated(store: SqliteStore, item: JournalRecord, listings: ListImports) -> bool:
    """What people did to the gate; False for any other record."""
    if item.kind in _KEPT:
        _KEPT[item.kind](store, item.sequence, item.body)
    elif item.kind == messages.NAMED:
        for number, name in unpack(gate_events.NamedHash, item.body).names:
            store.dictionary.learn(number, name)
    elif item.kind == messages.LISTING:
        listings.begin(item.sequence, item.body)
    elif item.kind == messages.LISTED:
        listings.add(item.body)
    elif item.kind == messages.LISTING_DONE:
        listings.done(item.body)
    else:
        return listings.consents.read(item.sequence, item.kind, item.body)
    return True


def _mail(store: SqliteStore, item: JournalRecord) -> None:
    """The mailbox is exact at ``counted_from``: what was delivered before is not in it, and must not come again."""
    box, body = store.mailbox, item.body
    if item.kind == messages.DELIVER:
        came = unpack(delivers.DeliverRecord, body)
        box.put(item.sequence, came.provider, came.time, came.kind, came.data)
    elif item.kind == messages.DELIVERED:
        box.settle(unpack(mailbox.Delivered, body).numbers)
    elif item.kind == messages.DROPPED:
        box.settle(unpack(mailbox.Dropped, body).numbers)
    elif item.kind == messages.DISOWNED:
        for provider in unpack(mailbox.Disowned, body).providers:
            box.move(provider)


def apply_verdict(store: SqliteStore, submit: messages.VerdictRecord, sequence: int, counts: bool, done: Replayed) -> None:
    entry = submit.entry
    if entry is None:
        return
    # another node may have given it, to a part of the same long message
    if not store.shared or entry.id >> NODE_SHIFT == store.node:
        done.highest_id = max(done.highest_id, entry.id)
    done.open[sequence] = submit
    done.touched[submit.recipient] = submit.time, submit.keep_s

    def put(data: bytes) -> bytes:
        without = record.remove(data, submit.adopts) if submit.adopts else data
        if record.has(without, entry.id):  # the checkpoint has it, or another part of the same long message, which may amend it
            after = record.amend(without, entry.pack())
        else:
            after = record.add(without, entry, int(submit.time), submit.keep_s, record.REPLAY_MAX)
        return record.mark_sent_twice(after, entry.id, submit.fingerprint) if entry.state == EntryState.SENT_TWICE else after

    store.update(submit.recipient, put)
    if counts:
        store.counters.now = submit.time
        for take in submit.takes:
            store.counters.take(take, entry.time)


def apply_torn(store: SqliteStore, submit: messages.Torn) -> None:
    def put(data: bytes) -> bytes:
        if submit.since:
            return incomplete_multipart.mark_incomplete(data, submit.key, submit.since)
        return incomplete_multipart.mark_complete(data, submit.key)

    store.update(submit.recipient, put)


def _refused(store: SqliteStore, submit: delivers.OptedOut) -> None:
    def put(data: bytes) -> bytes:
        refused = record.opt_out(data, submit.opt_out)
        return reply_ports.replied(refused, submit.opt_out, hash32(submit.port)) if submit.port else refused

    store.apply_fact(submit.recipient, put)


def _answers(store: SqliteStore, item: JournalRecord, counts: bool, done: Replayed, ids: Restoring | None) -> None:
    for answer in unpack_answers(item):
        submit = done.open.get(answer.verdict_sequence)
        apply_answer(store, answer, counts, done)
        if ids is not None and submit is not None and Effect(answer.effect) is Effect.ACCEPTED:
            ids.accepted(submit, answer)


def apply_answer(store: SqliteStore, event: CarrierAnswer, counts: bool, done: Replayed) -> None:
    effect = Effect(event.effect)
    submit = done.open.pop(event.verdict_sequence, None)
    sent_twice = submit is not None and submit.entry is not None and submit.entry.state == EntryState.SENT_TWICE
    if effect.takes_back:
        store.update(event.recipient, lambda data: record.remove(data, event.entry_id))
        if counts:
            for take in event.gives_back:
                store.counters.give_back(take, event.entry_time)
    elif effect.unknown:
        store.update(
            event.recipient, lambda data: doubted(data, effect, event.entry_id, event.fingerprint, sent_twice=sent_twice)
        )
    elif effect is Effect.LATE_ACCEPTED:
        store.update(event.recipient, lambda data: record.settle(data, event.entry_id, EntryState.ACCEPTED))
    elif effect is Effect.ACCEPTED and sent_twice:
        arrived = ResendAccepted(event.recipient, event.entry_id)
        store.update(event.recipient, lambda data: arrived.apply(data, event.time))


def apply_unreplaced(store: SqliteStore, event: requests.Unreplaced, counts: bool, done: Replayed) -> None:
    submit = done.open.pop(event.verdict_sequence, None)
    stood = False

    def back(data: bytes) -> bytes:
        nonlocal stood
        without = record.remove(data, event.entry_id)
        stood = without is not data
        return record.add(without, event.entry, int(event.time), messages.KEEP_S, record.REPLAY_MAX) if stood else data

    store.update(event.recipient, back)
    if counts and stood and submit is not None:
        for take in submit.takes:
            store.counters.give_back(take, event.entry.time)


def apply_share(store: SqliteStore, event: requests.CounterShare, counts: bool, done: Replayed) -> None:
    """Applies a record of aggregate shares: which entry has them now, or that they were given back."""
    submit = done.open.get(event.verdict_sequence)
    if event.given_back:
        for take in event.takes if counts else ():
            store.counters.give_back(take, event.entry_time)
    elif submit is not None:
        done.open[event.verdict_sequence] = submit._replace(takes=event.takes)


def settle_open(store: SqliteStore, done: Replayed) -> None:
    """The gate stopped before these were answered: their outcome is unknown, so they stay counted."""
    for submit in done.open.values():
        assert submit.entry is not None
        store.update(submit.recipient, lambda data, i=submit.entry.id, s=submit: record.mark_unknown(data, i, s.fingerprint))  # type: ignore[misc]
