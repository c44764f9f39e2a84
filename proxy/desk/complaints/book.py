"""Keeps complaint cases and their transitions; pure.

In: rows of a batch, officers' decisions, the time, the calendar of working days. Out: journal records and the cases as they are; Impossible.
Never: files, the clock, a guess: a person says which message it was.

    filed ─▶ open ──▶ valid | invalid | duplicate | not-ours | withdrawn ──reopened──▶ open
                │         └─ answered: its source (12321) was told; the file that was sent is noted
                └─ forwarded to the provider, matched to a message: noted, the case stays open

Only valid cases count against a provider (proxy/desk/penalties/book.py), in the month in which the complaint came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.complaints import ANSWERED, DUPLICATE, NOT_OURS, OPEN, REOPENED, VALID, WITHDRAWN, Case, DeskEvent
from proxy.model.approvals import Impossible
from proxy.model.number import mask, masked_repr
from proxy.model.redact import mask_numbers
from proxy.policy import time_windows
from proxy.policy.registries.holidays import Holidays
from proxy.state.lists.desk_records import DeskRecords

CASES_MAX = 200_000
"""Some years of a large carrier: each is about a kilobyte in memory."""
BATCH_MAX = 2_000
"""Cases of one file: they are written as one group, which holds the loop for some 10 ms (3,000 were measured at 17 to 25 on a busy machine)."""
KEEP_S = 400 * 86_400.0
"""How long decided cases stay in the book, so that repeats within a year are seen; the journal has its own retention."""


@masked_repr
class Complaint(NamedTuple):
    """One row of a batch, read."""

    reference: str
    recipient: int
    number: str
    at: float
    sender: str
    text: str
    came: float


class DueDays(NamedTuple):
    """Within how many working days a complaint must be forwarded to the provider, and answered."""

    forward_days: int
    answer_days: int


@masked_repr
class MatchedMessage(NamedTuple):
    """The message that a person named as the one complained of; its fields are those of a Case."""

    message: str
    recipient: int
    provider: str
    port: str
    signature: str
    category: str
    sent: float


TERMS = IN_TIME, LATE, OVERDUE, WAITING, NOT_NEEDED = "in-time", "late", "overdue", "waiting", "not-needed"
"""How a term was kept. Not needed: a case that was decided need not be forwarded, nor one that was withdrawn be answered."""


class CaseCounts(NamedTuple):
    """Cases by state, and by how each term was kept."""

    states: Counter[str]
    forward: Counter[str]
    answer: Counter[str]


class CaseBook:
    def __init__(self, papers: DeskRecords, write: Callable[[Sequence[tuple[int, bytes]]], int]) -> None:
        """``write``: records into the journal, now, all of them or none; the sequence of the last."""
        self._papers = papers
        self._write = write
        self._cases: dict[int, Case] = {}
        self._by_key: dict[tuple[object, ...], int] = {}
        self._valid: dict[str, dict[int, Case]] = {}
        """Valid cases by provider: asked every minute, so it is kept."""
        self._undecided: dict[int, Case] = {}
        self._deciding: set[int] = set()
        """Cases whose decision is on its way into the journal, beside another record."""
        for _, body in sorted(papers.held.items()):
            self._enter(unpack(Case, body))
        papers.news()

    def __len__(self) -> int:
        return len(self._cases)

    def find(self, number: int) -> Case:
        found = self._cases.get(number)
        if found is None:
            raise Impossible(f"there is no case {number} (`gate106 complaint list` lists them)")
        return found

    def reread(self) -> None:
        """Another gate filed or changed cases: takes them from the store."""
        for _, body in self._papers.news():
            self._replace(unpack(Case, body))

    def all(self) -> Iterator[Case]:
        """The oldest first."""
        return iter(list(self._cases.values()))

    # -- filing

    def unfiled(self, source: str, complaints: Iterable[Complaint]) -> tuple[list[Complaint], int]:
        """Complaints that are no case yet, each once; and how many are one already."""
        fresh: dict[tuple[object, ...], Complaint] = {}
        known = 0
        for one in complaints:
            name = _key(source, one)
            if name in self._by_key or name in fresh:
                known += 1
            else:
                fresh[name] = one
        return list(fresh.values()), known

    def repeated(self, source: str, complaints: Iterable[Complaint]) -> list[tuple[int, int]]:
        """Places of complaints that stand in one batch before, each with the first one's."""
        first: dict[tuple[object, ...], int] = {}
        places = ((place, first.setdefault(_key(source, one), place)) for place, one in enumerate(complaints))
        return [(place, before) for place, before in places if before != place]

    def drafts(
        self, source: str, batch: str, complaints: Iterable[Complaint], due: DueDays, holidays: Holidays, now: float, who: str,
        why: str,
    ) -> Iterator[tuple[Case, bytes]]:  # fmt: skip
        """Cases for these complaints, numbered from the next on, each with the body of its record; not filed yet, so this may be done in
        slices."""
        complaints = list(complaints)
        for number, one in zip(self._papers.following(len(complaints)), complaints, strict=True):
            forward_by, answer_by = due_dates(one.came or now, due, holidays)
            case = Case(
                number, OPEN, source, one.reference, batch, now, one.came or now, forward_by, answer_by, 0.0, one.recipient, one.number,
                one.at, one.sender, one.text, "", "", "", "", "", 0.0, 0, (DeskEvent(now, "filed", who, why),),
            )  # fmt: skip
            body = pack(case)
            yield unpack(Case, body), body  # as a restart will read it

    def file(self, drafts: Sequence[tuple[Case, bytes]]) -> int:
        """Files all drafts or none; returns the sequence of the last record. Impossible: there are too many."""
        if len(self._cases) + len(drafts) > CASES_MAX:
            raise Impossible(f"more than {CASES_MAX:,} cases would be kept: decide old ones first")
        if any(case.id in self._papers.held for case, _ in drafts):
            raise Impossible("another batch was filed meanwhile: import this one again")
        sequence = self._write([(messages.CASED, body) for _, body in drafts])
        for case, body in drafts:
            self._papers.put(case.id, body)
            self._enter(case)
        return sequence

    # -- what becomes of one

    def match(self, number: int, found: MatchedMessage, now: float, who: str, why: str) -> tuple[Case, int]:
        case = self._open(number)
        if case.recipient and found.recipient and case.recipient != found.recipient:
            raise Impossible(f"case {number} is of another number than message {found.message}")
        if not case.recipient and found.recipient and not digits_agree(case.number, found.recipient):
            raise Impossible(f"case {number} is of {case.number}, which message {found.message} did not go to")
        matched = case._replace(**found._asdict() | {"recipient": case.recipient or found.recipient})
        return self._put(matched, DeskEvent(now, "matched", who, f"{found.message}: {why}"))

    def forward(self, number: int, now: float, who: str, why: str) -> tuple[Case, int]:
        case = self._open(number)
        if not case.provider:
            raise Impossible(f"case {number} is of no provider yet: match it to a message first")
        return self._put(case._replace(forwarded=now), DeskEvent(now, "forwarded", who, why))

    def decide(
        self, number: int, state: str, now: float, who: str, why: str, *, of: int = 0, provider: str = ""
    ) -> tuple[Case, int]:
        """``of``: the case that a duplicate repeats. ``provider``: of a valid case that is matched to no message."""
        return self._put(self._decided(number, state, of, provider), DeskEvent(now, state, who, why))

    def begin(
        self, number: int, state: str, now: float, who: str, why: str, beside: DeskEvent, *, of: int = 0, provider: str = ""
    ) -> bytes:
        """Begins a decision that is written together with another record: returns the body of the case's record (CASED). The case cannot be
        changed until ``written``."""
        case = self._decided(number, state, of, provider)
        self._check_not_deciding(number)
        self._deciding.add(number)
        return pack(case._replace(events=(*case.events, DeskEvent(now, state, who, why), beside)))

    def written(self, number: int, body: bytes) -> Case:
        """What ``begin`` began is in the journal."""
        self._deciding.discard(number)
        return self._keep(number, body)

    def _decided(self, number: int, state: str, of: int, provider: str) -> Case:
        case = self._open(number)
        if state == DUPLICATE:
            if not of:
                raise Impossible(f"say which case {number} repeats (--of)")
            if of == case.id:
                raise Impossible(f"case {number} does not repeat itself: say which came before it (--of)")
            first = self.find(of)
            if first.state == DUPLICATE:
                raise Impossible(f"case {first.id} is a duplicate itself: name case {first.of}")
        elif of:
            raise Impossible("only a duplicate is --of another case")
        if provider and case.provider and provider != case.provider:
            raise Impossible(f"case {number} is matched to a message of {case.provider}, not of {provider}")
        provider = case.provider or provider
        if state == VALID and not provider:
            raise Impossible(f"case {number} is of no provider yet: match it to a message first, or say --provider")
        return case._replace(state=state, of=of, provider="" if state == NOT_OURS else provider)

    def withdraw(self, number: int, now: float, who: str, why: str) -> tuple[Case, int]:
        """The complainant takes it back; also one that was decided."""
        case = self.find(number)
        if case.state == WITHDRAWN:
            raise Impossible(f"case {number} is withdrawn already")
        return self._put(case._replace(state=WITHDRAWN), DeskEvent(now, WITHDRAWN, who, why))

    def reopen(self, number: int, now: float, who: str, why: str) -> tuple[Case, int]:
        case = self.find(number)
        if case.state == OPEN:
            raise Impossible(f"case {number} is open")
        return self._put(case._replace(state=OPEN, of=0), DeskEvent(now, REOPENED, who, why))

    def answer(self, number: int, file: str, sha256: str, now: float, who: str, why: str) -> tuple[Case, int]:
        """Notes that its source was answered: the second clock stops. ``file``: what was sent, by its name."""
        case = self.find(number)
        if case.state == OPEN:
            raise Impossible(f"case {number} is open: decide it first (gate106 complaint decide {number})")
        return self._put(case, DeskEvent(now, ANSWERED, who, f"{file} (sha256 {_spaced(sha256)}): {why}"))

    def note(self, number: int, what: str, now: float, who: str, why: str) -> tuple[Case, int]:
        """Notes an action beside the case (a suppression, a stop)."""
        return self._put(self.find(number), DeskEvent(now, what, who, why))

    def of(self, recipient: int) -> list[Case]:
        """The cases that a person filed, as far as their whole number is known; the oldest first."""
        return [case for case in self._cases.values() if case.recipient == recipient]

    def forget(self, recipient: int, now: float, who: str, why: str) -> int:
        """Removes a person's whole number from all their cases or none, and from the texts there, in any spelling. The complaint and its
        decision stay, under the masked digits. Returns how many cases there were."""
        bodies, forgotten = dict[int, bytes](), DeskEvent(now, "forgotten", who, mask_numbers(why, recipient))
        for case in self.of(recipient):
            self._check_not_deciding(case.id)
            text = mask_numbers(case.text, recipient)
            events = (*(one._replace(why=mask_numbers(one.why, recipient)) for one in case.events), forgotten)
            bodies[case.id] = pack(case._replace(recipient=0, number=mask(recipient), text=text, events=events))
        if bodies:
            self._write([(messages.CASED, body) for body in bodies.values()])
        for number, body in bodies.items():
            self._keep(number, body)
        return len(bodies)

    def sweep(self, now: float) -> None:
        """Forgets what was decided long ago."""
        old = []
        for case in self._cases.values():  # by number, so by when they were filed
            if case.filed >= now - KEEP_S:
                break
            if case.state != OPEN and case.decided < now - KEEP_S:
                old.append(case.id)
        for number in old:
            self._unindex(self._cases.pop(number))
            self._papers.drop(number)

    # -- counted

    def count(self, cases: Iterable[Case], now: float) -> dict[str, CaseCounts]:
        """Cases by provider: their decisions, and how their two terms were kept."""
        found: dict[str, CaseCounts] = {}
        for case in cases:
            one = found.setdefault(case.provider, CaseCounts(Counter(), Counter(), Counter()))
            one.states[case.state] += 1
            one.forward[_term(case.forwarded, case.forward_by, now, needed=case.state == OPEN)] += 1
            answered = next((event.time for event in case.events if event.what == ANSWERED), 0.0)
            one.answer[_term(answered, case.answer_by, now, needed=case.state != WITHDRAWN)] += 1
        return found

    def valid(self, provider: str, since: float, until: float, about: Callable[[Case], bool] | None = None) -> int:
        """The number of valid cases against a provider (empty: any) of complaints that came then; ``about``: counts only such."""
        against = [self._valid.get(provider, {})] if provider else self._valid.values()
        return sum(
            since <= case.came < until and (about is None or about(case)) for cases in against for case in cases.values()
        )

    def undecided(self) -> Iterator[Case]:
        return iter(list(self._undecided.values()))

    def overdue(self, now: float) -> tuple[int, int]:
        """Open cases that should have been forwarded, or answered, by now."""
        undecided = self._undecided.values()
        late = sum(not case.forwarded and case.forward_by < now for case in undecided)
        return late, sum(case.answer_by < now for case in undecided)

    # --

    def _open(self, number: int) -> Case:
        case = self.find(number)
        if case.state != OPEN:
            raise Impossible(f"case {number} is decided ({case.state}): reopen it first (gate106 complaint reopen {number})")
        return case

    def _check_not_deciding(self, number: int) -> None:
        if number in self._deciding:
            raise Impossible(f"case {number} is being decided this moment: look at it again before you do more")

    def _put(self, case: Case, event: DeskEvent) -> tuple[Case, int]:
        self._check_not_deciding(case.id)
        body = pack(case._replace(events=(*case.events, event)))
        sequence = self._write([(messages.CASED, body)])
        return self._keep(case.id, body), sequence

    def _keep(self, number: int, body: bytes) -> Case:
        self._papers.put(number, body)
        return self._replace(unpack(Case, body))  # as a restart will read it

    def _replace(self, case: Case) -> Case:
        before = self._cases.get(case.id)
        if before is not None:
            self._unindex(before)
        return self._enter(case)

    def _enter(self, case: Case) -> Case:
        self._cases[case.id] = case
        self._by_key[_key(case.source, case)] = case.id
        if case.state == VALID:
            self._valid.setdefault(case.provider, {})[case.id] = case
        elif case.state == OPEN:
            self._undecided[case.id] = case
        return case

    def _unindex(self, before: Case) -> None:
        self._by_key.pop(_key(before.source, before), None)
        self._valid.get(before.provider, {}).pop(before.id, None)
        self._undecided.pop(before.id, None)


def due_dates(came: float, due: DueDays, holidays: Holidays) -> tuple[float, float]:
    """The times until which a case must be forwarded and answered: each the end of the last working day."""
    day = (int(came) + time_windows.OFFSET_S) // time_windows.DAY_S
    ends = (holidays.working_day_after(day, days) + 1 for days in due)
    forward_by, answer_by = (float(end * time_windows.DAY_S - time_windows.OFFSET_S) for end in ends)
    return forward_by, answer_by


def _term(done: float, by: float, now: float, *, needed: bool) -> str:
    if done:
        return IN_TIME if done <= by else LATE
    return NOT_NEEDED if not needed else OVERDUE if by < now else WAITING


def _spaced(digest: str) -> str:
    """A digest in groups of eight: no eleven of its digits are taken for a person's number, and hidden."""
    return ":".join(digest[at : at + 8] for at in range(0, len(digest), 8))


HIDDEN_DIGIT = "*"


def digits_agree(written: str, recipient: int) -> bool:
    """Whether a recipient's number fits a number with hidden digits: ``138****0500``."""
    whole = f"{recipient:011d}"
    return len(written) == len(whole) and all(one in (HIDDEN_DIGIT, other) for one, other in zip(written, whole, strict=True))


def _key(source: str, one: Complaint | Case) -> tuple[object, ...]:
    """The key by which two complaints are the same: the sender's reference, or all their fields."""
    if one.reference:
        return source, one.reference
    return source, one.number, int(one.at), one.sender, mask_numbers(one.text)  # as it is once its person is forgotten
