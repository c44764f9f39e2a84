"""Reconstructs one journalled message: its verdict, its fate, today's verdict.

In: commit groups, the message, rules by revision, today's rules. Out: an Inquiry. Never: anything about another person, a number that is not
asked for.

The verdict is made again as it was: the person's record as it stood, the counters, the orders in force, and the rules of then if their files
are kept. Today's rules are asked with the same state: what they would have said at that moment.

An id, as a person types it, may mean several messages:

    4711, B1c0ffee      an id of the carrier's, as its answer wrote it, with or without the code in front of it that providers see
    196626              the number of the entry that the message left in its recipient's record
    0:4711              node and place of its verdict in the journal, as ``gate106 find`` prints it
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from proxy.desk.backtest.commit_groups import JournalGroup, groups_of
from proxy.desk.backtest.environment import RuleIds, Senders
from proxy.desk.backtest.initial_state import rebuild, window_s
from proxy.desk.backtest.rerun import Rerun
from proxy.desk.backtest.runner import RUN_IN_S, sources
from proxy.desk.backtest.submit_case import RulesOf, SubmitCase
from proxy.journal.disk import Disk
from proxy.journal.encoding import unpack
from proxy.journal.records import answers, consents, delivers, messages, requests
from proxy.journal.records import answers as answered
from proxy.journal.records import evidence as grounds
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.write_ahead_log import JournalRecord
from proxy.model.message import Message, Outcome, hash48
from proxy.model.number import masked_repr
from proxy.model.recipient import Entry, OptOut, Recipient
from proxy.policy.explanation.explain import NOT_SEARCHED, Explanation, explain
from proxy.policy.explanation.naming import LookUp, by_names, by_registry, signature_written
from proxy.policy.judge import judge
from proxy.policy.reply_paths import MAY_HAVE_BEEN, NO_BOOK, UNUSED, AssumedPath
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.text_analysis import signer
from proxy.relay.message_ids import CODE_OCTETS
from proxy.state.record import record
from proxy.state.record.record import Record as Person
from proxy.state.stores.sqlite import SqliteStore
from proxy.wire import Frame, Malformed, read_deliver, read_receipt

PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
FOUND_MAX = 20
"""At most this many are reported."""
EVERY = 64
"""Groups between two remembered times."""
ID_MAX = 1 << 48


@masked_repr
class FoundMessage(NamedTuple):
    sequence: int  # of the verdict
    entry_id: int  # 0 where it was refused
    recipient: int  # 0 where it could not be read
    about: float  # no later than when it was decided


Matches = Callable[[JournalRecord], Iterator[FoundMessage]]


def find_messages(groups: Iterable[JournalGroup], wanted: str) -> list[FoundMessage]:
    """The messages that an id may mean, at most FOUND_MAX; parts of one message count once."""
    match = PLACE.fullmatch(wanted)
    matches = _by_sequence(int(match[2])) if match is not None else _by_id(wanted)
    found: dict[int, FoundMessage] = {}
    moments: list[tuple[int, float]] = []
    for count, group in enumerate(groups):
        if count % EVERY == 0:
            moments.append((group.records[0].sequence, group.time))
        for item in group.records:
            for one in matches(item):
                found.setdefault(one.entry_id or -one.sequence, one)
        if len(found) > FOUND_MAX:
            break
    return [one._replace(about=_about(moments, one.sequence)) for one in list(found.values())[:FOUND_MAX]]


def _by_sequence(sequence: int) -> Matches:
    """The verdict at one place."""

    def matches(item: JournalRecord) -> Iterator[FoundMessage]:
        if item.sequence == sequence and item.kind == messages.VERDICT:
            submit = messages.unpack_verdict(item.body)
            yield FoundMessage(sequence, submit.entry.id if submit.entry is not None else 0, submit.recipient, 0.0)

    return matches


def _by_id(wanted: str) -> Matches:
    """Messages with this id, of the carrier or the entry. Bytes are searched first: hardly any record is unpacked."""
    octets = wanted.encode("utf-8", "replace")
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 16 and int(wanted) < ID_MAX else 0
    packed = number.to_bytes(6, "big")

    def matches(item: JournalRecord) -> Iterator[FoundMessage]:
        if item.kind == messages.VERDICT:
            if number and packed in item.body:
                submit = messages.unpack_verdict(item.body)
                if submit.entry is not None and submit.entry.id == number:
                    yield FoundMessage(item.sequence, number, submit.recipient, 0.0)
        elif item.kind in (messages.ANSWER, messages.ACCEPTED) and octets in item.body:
            for answer in answers.unpack_answers(item):
                carrier_id = answer.carrier_id.partition(b"\0")[0]
                if octets in (carrier_id, carrier_id[CODE_OCTETS:]):
                    yield FoundMessage(answer.verdict_sequence, answer.entry_id, answer.recipient, 0.0)

    return matches


def _about(moments: list[tuple[int, float]], sequence: int) -> float:
    return max([time for first, time in moments if first <= sequence], default=0.0)


LOOK_BACK_S = 32 * 86_400
"""Of what the person was sent: the longest calendar window; further where rules look further."""


@masked_repr
@dataclass(slots=True)
class Inquiry:
    target: FoundMessage
    said: dict[int, messages.VerdictRecord] = field(default_factory=dict)
    """The verdicts of the message, one for each part, by their place."""
    answers: list[answered.CarrierAnswer] = field(default_factory=list)
    evidence: list[grounds.VerdictEvidence] = field(default_factory=list)
    receipts: list[tuple[float, str, str]] = field(default_factory=list)
    """(time, state, error) of each receipt."""
    repeats: int = 0
    names: RuleIds = field(default_factory=RuleIds)
    text: str = ""
    then: Explanation | None = None
    """None where it was not judged, or its rules are not kept."""
    today: Explanation | None = None
    today_revision: str = ""
    refusals: tuple[OptOut, ...] = ()
    """What the person refused when it was decided."""
    received: tuple[Entry, ...] = ()
    """What the person's record held then, the oldest first. Empty once the person is erased: the record keeps none of them by name."""
    erased: float = 0.0
    """When the person was erased, after the message; 0: was not."""
    paths: AssumedPath | None = None
    """The state of the port's reply path, where rules asked for it."""
    reproduced: bool = True
    """Whether judging again gave what the journal says."""
    refused_later: list[delivers.OptedOut] = field(default_factory=list)
    signatures: dict[int, str] = field(default_factory=dict)
    """The message's own by its hash, as it is written there."""
    look_up: LookUp = NOT_SEARCHED
    """Names of signatures, from today's registry first."""

    @property
    def verdict(self) -> messages.VerdictRecord:
        """Of the part that was named."""
        return self.said[self.target.sequence]


class _JournalReader:
    """Collects the journal's records about one message."""

    def __init__(self, found: Inquiry) -> None:
        self._found = found
        self._ids: set[bytes] = set()

    def listen(self, groups: Iterator[JournalGroup]) -> Iterator[JournalGroup]:
        for group in groups:
            for item in group.records:
                note = _KINDS.get(item.kind)
                if note is not None:
                    note(self, item)
            yield group

    def _verdict(self, item: JournalRecord) -> None:
        found, entry = self._found, self._found.target.entry_id
        if item.sequence == found.target.sequence or (entry and entry.to_bytes(6, "big") in item.body):
            submit = messages.unpack_verdict(item.body)
            if item.sequence == found.target.sequence or (submit.entry is not None and submit.entry.id == entry):
                found.said[item.sequence] = submit

    def _answer(self, item: JournalRecord) -> None:
        found = self._found
        if not found.said or not any(number.to_bytes(8, "big") in item.body for number in found.said):
            return
        for answer in answered.unpack_answers(item):
            if answer.verdict_sequence in found.said:
                found.answers.append(answer)
                if carrier_id := answer.carrier_id.partition(b"\0")[0]:
                    self._ids.add(carrier_id)

    def _deliver(self, item: JournalRecord) -> None:
        if not any(one in item.body for one in self._ids):
            return
        came = unpack(delivers.DeliverRecord, item.body)
        if came.kind != "receipt":
            return
        try:
            deliver = read_deliver(Frame.of(came.data))
        except (Malformed, ValueError):
            return
        receipt = read_receipt(deliver.text)
        named = {deliver.receipted_message_id, receipt.id.encode() if receipt is not None else None}
        if named & self._ids:
            state = receipt.stat if receipt is not None else str(deliver.message_state)
            self._found.receipts.append((came.time, state, receipt.err if receipt is not None else ""))

    def _evidence(self, item: JournalRecord) -> None:
        evidence = unpack(grounds.VerdictEvidence, item.body)
        if evidence.verdict_sequence in self._found.said:
            self._found.evidence.append(evidence)

    def _repeated(self, item: JournalRecord) -> None:
        again = unpack(requests.Repeated, item.body).counts
        self._found.repeats += sum(again.get(number, 0) for number in self._found.said)

    def _named(self, item: JournalRecord) -> None:
        self._found.names.note(item.kind, item.body)

    def _replicated(self, item: JournalRecord) -> None:
        replicated = unpack(ReplicatedRecord, item.body)
        if (note := _OF_OTHERS.get(replicated.kind)) is not None:
            note(self, JournalRecord(item.sequence, replicated.kind, replicated.body))

    def _person(self, item: JournalRecord) -> None:
        if self._found.said:
            change = unpack(consents.ConsentChange, item.body)
            if change.event == "erased" and change.recipient == self._found.verdict.recipient:
                self._found.erased = change.time

    def _refused(self, item: JournalRecord) -> None:
        if self._found.said:
            opt_out = unpack(delivers.OptedOut, item.body)
            if opt_out.recipient == self._found.verdict.recipient:
                self._found.refused_later.append(opt_out)


_KINDS = {
    messages.VERDICT: _JournalReader._verdict, messages.ANSWER: _JournalReader._answer,
    messages.ACCEPTED: _JournalReader._answer, messages.DELIVER: _JournalReader._deliver,
    messages.EVIDENCE: _JournalReader._evidence, messages.REPEATED: _JournalReader._repeated, messages.RULES: _JournalReader._named,
    messages.ORDERED: _JournalReader._named, messages.OPTOUT: _JournalReader._refused, messages.HEARD: _JournalReader._replicated,
    messages.PERSON: _JournalReader._person,
}  # fmt: skip
_OF_OTHERS = {kind: _KINDS[kind] for kind in (messages.ORDERED, messages.OPTOUT, messages.PERSON)}
NOBODY: Mapping[int, Disk] = MappingProxyType({})


def inquire(
    disk: Disk, store: Path | None, target: FoundMessage, then: RulesOf, today: RuleSet, senders: Senders,
    beside: Mapping[int, Disk] = NOBODY, node: int = 0, look_up: LookUp = NOT_SEARCHED,
) -> Inquiry:  # fmt: skip
    """Reads the journal of ``node`` to its end. ``store``: the gate's, for older facts. ``beside``: journals of other gates on that store by
    node, for the person's messages from them. ``look_up``: names of unregistered signatures. Raises StateError, JournalDamaged, OSError."""
    recipient = target.recipient
    found = Inquiry(target, today_revision=today.revision)
    found.look_up = by_registry(today.registry, by_names(found.signatures, look_up))
    begin, look_back_s = target.about - RUN_IN_S, max(LOOK_BACK_S, window_s(today))
    groups, known = sources(disk, store if not beside else None, begin, look_back_s)
    until = target.about + RUN_IN_S
    others = (takewhile(lambda one: one.time <= until, groups_of(one)) for one in beside.values())
    journals = [_JournalReader(found).listen(groups), *others]

    def is_own(person: int) -> bool:
        return person == recipient

    nothing = [lambda _: None] * len(journals)
    before, left = rebuild(journals, [node, *beside], begin, look_back_s, hear=nothing, is_own=is_own, store=known)
    rejudge = _Rejudge(found, before.store, today)
    reruns = [
        Rerun(
            before.store, then, senders, (lambda _: None) if place else rejudge.hear, lambda _: None, None, replayed, is_own,
            None if place else rejudge.look, before.others,
        )
        for place, replayed in enumerate(before.found)
    ]  # fmt: skip
    for whose, group in left:
        if rejudge.waits:
            reruns[whose].apply_group(group)
            rejudge.waits = whose != 0 or group.records[-1].sequence < target.sequence
    if found.erased:
        found.received = ()
    return found


class _Rejudge:
    """Explains the message at the moment the rerun judges it."""

    def __init__(self, found: Inquiry, store: SqliteStore, today: RuleSet) -> None:
        self._found, self._store, self._today = found, store, today
        self.waits = True

    def look(self, case: SubmitCase, data: bytes, at: float, rules: RuleSet) -> None:
        long, message = case.long, case.message
        together = [one.recorded for one in long.batch] if long is not None and case in long.batch else [case.recorded]
        if self._found.target.sequence not in together or self._found.then is not None:
            return
        seen = Person(data)
        person = self._store.listed.beside(seen, message.recipient)
        moment = max(seen.newest(), at)
        found = self._found
        found.text = message.content.text
        if name := signer(found.text):
            found.signatures[hash48(name)] = signature_written(name, found.text)
        found.refusals = tuple(one for one in person.opt_outs() if not 0 < one.expiry <= moment)
        held = record.prune(data, int(at), case.journalled.keep_s)  # the rerun keeps more, for rules that look further back
        found.received = tuple(record.entries(held))
        for one in (rules, self._today):  # the record that said so may have been removed from the journal
            found.names.learn(one)
        paths = found.paths = self._paths(case, message, person, moment, rules)
        if paths is not None:
            rules = rules.with_orders(rules.orders, paths)
        today = self._today.with_orders(rules.orders, paths)
        found.then = explain(message, person, rules, moment, self._store.counters, found.look_up)
        found.today = explain(message, person, today, moment, self._store.counters, found.look_up)

    def _paths(
        self, case: SubmitCase, message: Message, person: Recipient, moment: float, rules: RuleSet
    ) -> AssumedPath | None:
        """The state of the port's reply path with which these rules decide as they did; None where they do not ask for it."""
        if rules.asked_of(UNUSED) < 0:
            return None
        breached = {number for number, _, _ in case.journalled.breaches}
        for path in MAY_HAVE_BEEN:
            paths = AssumedPath(path)
            verdict = judge(message, person, rules.with_orders(rules.orders, paths), moment, self._store.counters)
            if {one.number for one in verdict.breaches} == breached:
                return paths
        return AssumedPath(NO_BOOK)

    def hear(self, case: SubmitCase) -> None:
        if case.recorded == self._found.target.sequence:
            submit = case.journalled
            now = case.lane is not None, case.reason
            if self._found.then is not None and self._found.paths is not None:  # the rerun takes every path for proven
                verdict = self._found.then.verdict
                now = verdict.outcome is Outcome.ALLOW, verdict.reason.name if verdict.reason is not None else ""
            self._found.reproduced = (submit.entry is not None, submit.reason) == now
