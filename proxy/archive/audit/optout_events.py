"""Formats the history of one person's opt-outs for people and programs.

In: events in the order of the journal, the refusals in force; LISTING, LISTED and LISTING_DONE records of one gate, in order. Out: the
history as a dict and as text, with numbers masked where needed; an imported list's refusals that name the person, once the list is
complete. Never: another journal record (optout_history.py reads those); an incomplete list, for it is not in force.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from pyroaring import BitMap

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.model.number import Number, masked_repr
from proxy.model.recipient import OptOut
from proxy.model.redact import mask_numbers

CHINA = timezone(timedelta(hours=8))
TEXT_SHOWN_MAX = 200  # characters of a reply that are shown
WRITTEN = ("text", "why", "file")  # details with free text: a number may stand in them
Key = tuple[str, str, str, bool]  # scope, value, source; whether a list says so, and not the person's own record


Says = Sequence[str | OptOut]  # words in order; a refusal gets its words when all signatures are known. A str is one, too
About = Callable[[OptOut, Mapping[int, str]], Mapping[str, str]]
"""A refusal, signatures by their hash as messages had them → names and words: ``about`` in English, ``about_zh`` in Chinese …"""


class OptOutEvent(NamedTuple):
    at: float
    what: str  # received | held | decided | stopped | restored | confirmed | sent
    port: str
    provider: str
    says: Says
    details: dict[str, Any]
    masked: Says = ""  # ``says`` with numbers in free text masked


def named_by_value(one: OptOut, signatures: Mapping[int, str]) -> Mapping[str, str]:
    """Names a refusal by its value, where no registry is available."""
    return {"about": f"{one.scope} {one.value}".rstrip()}


@masked_repr
@dataclass(slots=True)
class OptOutTrace:
    recipient: int
    first: float = 0.0
    last: float = 0.0  # the time that the journals cover; 0 when they are empty
    events: list[OptOutEvent] = field(default_factory=list)
    asked: float = 0.0  # when: what had ended by then is not in force
    stands: dict[Key, OptOut] = field(default_factory=dict)  # refusals that were not lifted
    doubtful: set[int] = field(default_factory=set)  # undecided doubtful replies, by number
    sent: int = 0  # messages that went out since the first reply or refusal, listed or not
    wrong: int = 0  # marketing that went out against a refusal in force, or against what a reply had meant: must be 0
    missing: list[tuple[int, int]] = field(default_factory=list)  # first and last of records the gate had removed
    signatures: dict[int, str] = field(default_factory=dict)  # by hash, as the person's messages had them
    about: About = field(default=named_by_value, compare=False)

    @property
    def in_force(self) -> list[OptOut]:
        return [one for one in self.stands.values() if not 0 < one.expiry <= self.asked]

    def _number(self, whole: bool) -> str:
        number = Number(self.recipient)
        return number.full_number if whole else str(number)

    def words(self, one: OptOut) -> str:
        """What a refusal covers."""
        text = self.about(one, self.signatures)["about"]
        return f"marketing of {text}" if one.scope in ("advertiser", "signature") else text

    def text(self, says: Says) -> str:
        return "".join(self.words(one) if isinstance(one, OptOut) else one for one in says)

    def _named(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """With names beside the value of each refusal."""
        found = {
            name: [self._named(one) for one in value] if name in ("lifted", "held") else value
            for name, value in details.items()
        }
        if "value" in details:
            found |= self.about(OptOut(details["scope"], details["value"], 0, "", 0), self.signatures)
        return found

    def as_dict(self, whole_number: bool) -> dict[str, Any]:
        return {
            "recipient": self._number(whole_number),
            "journal": {"from": iso(self.first), "to": iso(self.last), "missing": self.missing},
            "events": [
                {"at": iso(one.at), "event": one.what, "port": one.port, "provider": one.provider}
                | self._named(one.details if whole_number else _masked(one.details))
                for one in self.events
            ],
            "in_force": [
                self._named(scope(one)) | {"source": one.source, "since": iso(one.time), "until": iso(one.expiry)}
                for one in self.in_force
            ],
            "sent": self.sent,
            "sent_after_optout": self.wrong,
        }

    def as_text(self, whole_number: bool) -> str:
        lines = [f"{self._number(whole_number)}, journal from {local(self.first)} to {local(self.last)}"]
        lines += [f"records {first} to {last} were removed before this copy had them" for first, last in self.missing]
        described = ((one, self.text(one.says if whole_number else one.masked or one.says)) for one in self.events)
        lines += [f"{local(one.at)}  {one.what:9} {_where(one)}{says}" for one, says in described]
        listed = sum(one.what == "sent" for one in self.events)
        if self.sent > listed:
            lines.append(f"… and {self.sent - listed} messages more")
        if not self.events:
            lines.append("nothing was received from this person, and nothing stopped")
        lines.append(
            "in force now: "
            + ("; ".join(f"{self.words(one)} since {local(one.time)}{until(one)}" for one in self.in_force) or "none")
        )
        lines.append(f"messages since the first reply or refusal: {self.sent}, of them against what was refused: {self.wrong}")
        return "\n".join(lines)


def until(one: OptOut) -> str:
    return f" until {local(one.expiry)}" if one.expiry else ""


def _where(one: OptOutEvent) -> str:
    return f"{one.port} ({one.provider or 'nobody owns it'}): " if one.port else ""


def key(one: OptOut, *, listed: bool = False) -> Key:
    return one.scope, one.value, one.source, listed


def _masked(details: Mapping[str, Any]) -> dict[str, Any]:
    """Without whole numbers in what people wrote."""
    return {name: mask_numbers(value) if name in WRITTEN else value for name, value in details.items()}


def scope(one: OptOut) -> dict[str, Any]:
    return {"scope": one.scope, "value": one.value}


def printable(text: str) -> str:
    """One line without what a terminal would obey: controls, direction marks, half characters."""
    shown = "".join(
        "\ufffd" if unicodedata.category(c) == "Cs" else " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text[:TEXT_SHOWN_MAX]
        if unicodedata.category(c) != "Cf"
    )
    return shown + ("…" if len(text) > TEXT_SHOWN_MAX else "")


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).isoformat(timespec="milliseconds") if at else ""


def local(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M:%S") if at else "(nothing)"


CHUNK_BITS = 20  # lower bits of a number, in a bitmap that the upper ones name (state/lists/suppression_lists.py)


class ListMembership(NamedTuple):
    time: float
    takes_off: bool
    refusals: tuple[OptOut, ...]
    who: str
    why: str
    file: str


class ImportedLists:
    def __init__(self, person: int) -> None:
        self._chunk, self._low = person >> CHUNK_BITS, person & (1 << CHUNK_BITS) - 1
        self._begun: dict[int, tuple[operator_actions.ListBegun, set[int]]] = {}

    def take(self, sequence: int, kind: int, body: bytes) -> ListMembership | None:
        """One record; the list that it ends, if that names the person."""
        if kind == messages.LISTING:
            self._begun[sequence] = unpack(operator_actions.ListBegun, body), set()
        elif kind == messages.LISTED:
            self._look(unpack(operator_actions.ListChunk, body))
        elif kind == messages.LISTING_DONE:
            done = unpack(operator_actions.ListDone, body)
            said, named = self._begun.pop(done.listing, (None, set[int]()))
            if said is not None and named:
                found = tuple(said.refusals[place] for place in sorted(named))
                return ListMembership(done.time, said.takes_off, found, said.who, said.why, said.file)
        else:  # a start of the gate: an incomplete list will never be completed
            self._begun.clear()
        return None

    def _look(self, chunk: operator_actions.ListChunk) -> None:
        _, named = self._begun.get(chunk.listing, (None, set[int]()))
        if chunk.chunk == self._chunk and self._low in BitMap.deserialize(chunk.numbers):
            named.add(chunk.key)


KINDS = frozenset((messages.LISTING, messages.LISTED, messages.LISTING_DONE, messages.START))
