"""Nouns: what the simulated world is made of: people, ports, words; submits, delivers, binds and links as all sides know them.

In: nothing. Out: values and small holders. Never: a promise checked, anything drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from proxy.model.message import hash48
from proxy.relay.account_access import Access
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.mailbox.deliver_queue import Item
from proxy.wire import Frame, Malformed, read_fields

if TYPE_CHECKING:
    from tests.simulation.asking import Question
    from tests.simulation.longs import LongSent
    from tests.simulation.world import World

NOON = 1_762_833_600.0  # 2025-11-11 12:00 in Shanghai: half a day is left before the calendar day ends
RUN_S = 60.0
RESPONSE_S = 3.0
CAP = 3
QUOTA = 8
WORDS = {"甲": "TD", "乙": "QXDY"}
"""Two advertisers behind each port, and what each asks to be answered with: one everybody knows, one nobody does."""
REPLIES = {
    "TD": "optout", "ｔｄ": "optout", "QXDY": "declared", "退订": "optout", "START": "restore", "取消退订": "restore",
    "怎么退订": "review", "谢谢": "reply", "A": "reply",
}  # fmt: skip
"""What people write, and what it is; "declared": a refusal if they had a message that asked for it."""
COMMON = ("TD", "退订")
"""Words that say nothing about who is meant."""
CONFIRMED = "jia"
"""The provider whose people are told that their refusal is in force."""
BEIJING = 13800100001
PEOPLE = [13800210000 + n for n in range(6)] + [BEIJING]  # six in Shanghai
CAREFUL = [13800210100 + n for n in range(3)]
"""They get marketing only if they agreed to it (rules/rules.yaml: consent)."""
PORTS = {"jia": "1069001", "yi": "1069002"}
NOBODYS = "1069009"
BANNED = "代开发票"
ESME_RSYSERR = 0x08
SUPPRESSED, STOPPED = 0x420, 0x473
SCOPES = ("advertiser", "port", "category")
CARRIER_REFUSES = 0x45  # ESME_RSUBMITFAIL
NOT_NOW, NEVER = 0x64, 0x66  # ESME_RX_T_APPN, ESME_RX_R_APPN
ANSWERED_WITHIN_S = 1.0


class Broken(AssertionError):
    """A promise of the design does not hold."""


class Moment(NamedTuple):
    """By the journal, which no clock moves, and by the gate's clock."""

    groups: int  # how many stood in it
    turns: int  # how many refusals and restores
    wall: float


@dataclass(eq=False)
class Submit:
    """One submit of a provider, as the provider and the carrier know it."""

    number: int
    provider: str
    recipient: int
    text: str
    sent_at: float
    frame: bytes
    epoch: int
    told: int | None = None  # status the provider was answered with
    reached_carrier: int = 0  # how often
    carrier_said: int | None = None  # None: never answered
    entry: int = 0
    taken_back: bool = False  # the gate heard that the carrier refused it
    advertiser: str = ""
    replaced: bool = False  # an identical submit stands in for it
    long: LongSent | None = None  # the long message it is a part of …
    index: int = 0  # … which one, from 1
    narrow: bool = False  # sent by a client whose window is one part
    forgiven: bool = False  # power was lost before its entry was synced
    kind: str = "submit_sm"  # or data_sm, submit_multi
    reserved: bool = False  # with a value that SMPP 3.4 reserves
    carrier: str = ""  # to whom it went …
    own_id: int = 0  # … the number under which that one has it …
    asked: Moment | None = None  # when it was handed in
    told_id: bytes = b""  # … and what the provider was told it is called


@dataclass(eq=False)
class Deliver:
    """One deliver_sm of the carrier, as the carrier and the providers know it."""

    number: int
    owner: str
    person: int
    text: str
    frame: bytes
    carrier: str
    receipt_of: Submit | None = None
    read_at: float = 0.0  # by the gate, the last time
    answered: bool = True  # what was read last
    acknowledged: bool = False
    got: int = 0  # how often the provider took it
    refused: bool = False  # the provider never wants it
    port: str = ""  # a reply was sent to
    kind: str = "receipt"  # or as REPLIES has it; "meant": a reply whose person knows what it means (meaning.py); "perhaps": a refusal if a message that asked for it is on record

    @property
    def asks_record(self) -> bool:
        """Whether what it means or does needs the person's record."""
        return self.kind not in ("receipt", "review", "reply") or len(self.text) == 1


@dataclass(eq=False)
class SimBind:
    """A provider's bind. Knows what it asked and what it was told."""

    world: World
    access: Access
    window: int = 8
    noise: int = 0
    unanswered: int = 0
    peer_version: int = 0x34
    asked: dict[int, Submit] = field(default_factory=dict)
    groups: dict[int, list[Submit]] = field(default_factory=dict)
    """What went out in one submit_multi, by its sequence number: each in ``asked``, too."""
    questions: dict[int, Question] = field(default_factory=dict)
    epoch: int = 0

    def answer_all(self, answers: list[bytes]) -> None:
        for data in answers:
            frame = Frame.of(data)
            try:
                read_fields(frame)
            except Malformed as fault:
                raise Broken(f"a provider is told {frame}, which cannot be read: {fault}") from None
            question = self.questions.get(frame.sequence_number)
            if question is not None:
                self.world.asking.told(question, frame)
            else:
                self.world.providers.told(self, frame)


@dataclass(eq=False)
class SimReceiver:
    """A bind of a provider that takes delivers: as the gate's own, it knows what is unanswered."""

    world: World
    provider: str
    window: int
    up: bool = True
    unanswered: dict[int, Item] = field(default_factory=dict)
    late: dict[int, Item] = field(default_factory=dict)
    sequence: int = 0

    @property
    def room(self) -> int:
        return max(0, self.window - len(self.unanswered)) if self.up else 0

    def hand_all(self, items: Sequence[Item]) -> None:
        for item in items:
            if not self.room:
                raise Broken(f"{self.provider} was handed more than its window")
            self.sequence += 1
            self.unanswered[self.sequence] = item
            self.world.mail.handed(self, self.sequence, Frame.of(item.data), item)


class SimLink:
    owner = ""

    def __init__(self, world: World, carrier: str) -> None:
        self.world = world
        self.carrier = carrier
        self.up = True
        self.window: dict[int, PendingSubmit] = {}
        self.late: dict[int, PendingSubmit] = {}
        self.sequence = 0

    def answer(self, data: bytes) -> None:
        self.world.mail.acknowledged(Frame.of(data))

    def answer_all(self, answers: Sequence[bytes]) -> None:
        for data in answers:
            self.answer(data)

    def count_bad(self, kinds: list[str]) -> None:
        raise AssertionError(f"the gate calls what the carrier sent malformed: {kinds}")


def nameless(frame: bytes) -> bytes:
    """A PDU without its sequence number."""
    return frame[:12] + frame[16:]


def hash_of(advertiser: str) -> str:
    return f"{hash48(advertiser.upper()):012x}"  # signatures are looked up in capitals


def covers(refusal: tuple[str, str], submit: Submit) -> bool:
    """Whether a refusal speaks of a submit: written here a second time."""
    scope, value = refusal
    if scope == "category":
        return value == "marketing"
    return value == hash_of(submit.advertiser) if scope == "advertiser" else PORTS[submit.provider].startswith(value)
