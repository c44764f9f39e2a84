"""Evidence: exactly what each simulated peer sent, received and was answered, in one order of events.

In: events. Out: messages with their submits, questions, refusals and receipts, with both sides' view of each. Never: what the gate says
of itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.e2e.pdus import ESME_RSYSERR

ACCEPTED, IGNORED = 0, -1
"""What the carrier did with a submit: a status, or nothing at all."""


@dataclass
class Arrival:
    """A submit as the carrier got it. ``fate``: the status it decided on, or IGNORED; whether the answer got through is unknown."""

    life: int
    fate: int
    id: str


@dataclass(eq=False)
class Message:
    """What counts once: one submit, or all parts of a long message, or a text with what replaced it."""

    provider: str
    recipient: str
    life: int
    begun: int
    """When its first submit was sent, in the order of all events."""
    parts: int = 1
    submits: list[Submit] = field(default_factory=list)

    @property
    def long(self) -> bool:
        return self.parts > 1

    @property
    def acknowledged(self) -> bool:
        return any(submit.acknowledged for submit in self.submits)

    @property
    def untold(self) -> bool:
        """Whether its provider does not know of all of it what came of it."""
        return any(submit.status in (None, ESME_RSYSERR) for submit in self.submits)

    @property
    def counts(self) -> bool:
        """Whether the carrier may have handed any of it to the person."""
        return any(submit.counts for submit in self.submits)

    @property
    def whole(self) -> bool:
        """Whether the person may have all of it."""
        return len({submit.part for submit in self.submits if submit.counts}) == self.parts


@dataclass(eq=False)
class Submit:
    """What one provider wrote to one person in one PDU. Its text names ``serial``, so no two are alike."""

    serial: int
    provider: str
    recipient: str
    life: int
    sent: int  # in the order of all events
    message: Message = field(repr=False)
    part: int = 1
    """Which part of its message it is."""
    banned: bool = False
    """Whether the message, when it is whole, has a word in it that is refused."""
    replaces: bool = False
    """Whether it is a replace_sm."""
    group: dict[str, Submit] = field(default_factory=dict, repr=False)
    """Who else a submit_multi went to, this one included, by person; all have the text of the first."""
    told: list[tuple[int, str]] = field(default_factory=list)
    """What the provider was answered: status and id."""
    arrived: list[Arrival] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        return self.told[0][0] if self.told else None

    @property
    def acknowledged(self) -> bool:
        return self.status == 0

    @property
    def counts(self) -> bool:
        """Whether the carrier may have handed it to the person."""
        return any(arrival.fate in (ACCEPTED, IGNORED) for arrival in self.arrived)

    @property
    def begun(self) -> int:
        """When that was sent with which it was judged: parts that come late inherit."""
        return self.message.begun if self.message.long else self.sent

    @property
    def single(self) -> bool:
        """Whether it was a submit_sm that is a message of its own."""
        return not (self.message.long or self.replaces or self.group)


@dataclass(eq=False)
class Question:
    """A query_sm or cancel_sm: each provider asks the same of a message once."""

    provider: str
    command: int
    about: Submit
    life: int
    data: bytes
    told: list[int] = field(default_factory=list)
    """Statuses it was answered with."""
    arrived: list[int] = field(default_factory=list)
    """What the carrier decided on, each time: a status, or IGNORED."""

    @property
    def own(self) -> bool:
        return self.provider == self.about.provider


@dataclass
class Refusal:
    """A person's opt-out reply, as the carrier sent it to a provider's port."""

    recipient: str
    provider: str
    answers: list[int] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    """Who received it, each time."""
    acknowledged: int = 0
    """When the first good answer came, in the order of all events; 0 while there is none."""
    confirmed: int = 0
    """How often the gate told the person that it is in force."""


@dataclass
class Return:
    """A person's wish to be written to again."""

    recipient: str
    provider: str
    asked: int
    """When it was first sent, in the order of all events."""
    answers: list[int] = field(default_factory=list)
    acknowledged: int = 0
    got: list[str] = field(default_factory=list)
    """All three as Refusal's."""


@dataclass
class Receipt:
    """What the carrier told a provider of a submit it had accepted."""

    serial: int
    provider: str
    answers: list[int] = field(default_factory=list)
    acknowledged: int = 0
    """As Refusal's."""
    got: list[str] = field(default_factory=list)
    """Who received it, each time."""


Mail = Refusal | Return | Receipt


class Evidence:
    def __init__(self) -> None:
        self.receipts: dict[int, Receipt] = {}
        """By the serial of their submit."""
        self.submits: dict[int, Submit] = {}
        self.messages: list[Message] = []
        self.questions: dict[tuple[int, str, str], Question] = {}
        """By command, message id and provider."""
        self.refusals: dict[str, Refusal] = {}
        self.returns: dict[str, Return] = {}
        """By person."""
        self.surprises: list[str] = []
        """What must not happen at all."""
        self.life = 0
        self.events = 0
        """How many there were: while it grows, something goes on."""

    def now(self) -> int:
        self.events += 1
        return self.events

    def message(self, provider: str, recipient: str, parts: int = 1) -> Message:
        """One is begun; its submits are to follow."""
        made = Message(provider, recipient, self.life, self.now(), parts)
        self.messages.append(made)
        return made

    def submit(self, message: Message, part: int = 1, *, banned: bool = False, replaces: bool = False) -> Submit:
        """One more submit of it is sent."""
        made = Submit(
            len(self.submits) + 1, message.provider, message.recipient, self.life, self.now(), message, part, banned, replaces
        )
        self.submits[made.serial] = made
        message.submits.append(made)
        return made

    def find(self, serial: int, recipient: str) -> Submit:
        """The submit that a text with this serial was to this person; a replacement names nobody."""
        submit = self.submits[serial]
        return submit.group[recipient] if submit.group else submit

    def told(self, submit: Submit, status: int, message_id: str) -> None:
        self.now()
        submit.told.append((status, message_id))

    def acknowledged(self, mail: Mail, status: int) -> None:
        mail.answers.append(status)
        if status == 0 and not mail.acknowledged:
            mail.acknowledged = self.now()

    @property
    def mail(self) -> list[Mail]:
        return [*self.refusals.values(), *self.returns.values(), *self.receipts.values()]
