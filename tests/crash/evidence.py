"""Evidence: exactly what each simulated peer sent, received and was answered, in one order of events.

In: events. Out: submits, refusals and receipts with both sides' view of each. Never: what the gate says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ACCEPTED, IGNORED = 0, -1
"""What the carrier did with a submit: a status, or nothing at all."""


@dataclass
class Arrival:
    """A submit as the carrier got it. ``fate``: the status it decided on, or IGNORED; whether the answer got through is unknown."""

    life: int
    fate: int
    id: str


@dataclass
class Submit:
    """One submit of a provider: its text names ``serial``, so no two are alike."""

    serial: int
    provider: str
    recipient: str
    life: int
    sent: int  # in the order of all events
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
        self.refusals: dict[str, Refusal] = {}
        self.returns: dict[str, Return] = {}
        """By person."""
        self.surprises: list[str] = []
        """What must not happen at all."""
        self.life = 0
        self._events = 0

    def now(self) -> int:
        self._events += 1
        return self._events

    def submit(self, provider: str, recipient: str) -> Submit:
        made = Submit(len(self.submits) + 1, provider, recipient, self.life, self.now())
        self.submits[made.serial] = made
        return made

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
