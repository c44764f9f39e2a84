"""Meaning: what people mean when they reply, and that it holds, whatever the gate recorded.

In: what reached people's handsets, the seed's choices. Out: replies as people send them: to whatever port, in whatever words. Never: the
gate's record of a refusal: the person knows what they meant.

A person means one advertiser, everything, or nothing. From the moment at which the carrier hears that the reply is safe, no message that is
handed in later may reach them against that, through any provider, until they take it back.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from proxy.archive.audit.optout_scope import digits_of, related
from proxy.archive.audit.person_history import PersonHistory
from proxy.journal.write_ahead_log import read
from proxy.state.mailbox.mailbox import UNOWNED
from tests.simulation.nouns import NOBODYS, PEOPLE, PORTS, WORDS, Broken, Deliver, Submit

if TYPE_CHECKING:
    from tests.simulation.world import World

STOP = ("TD", "ｔｄ", "退订", "退订！", "别再发了", "回复TD")
STOP_ALL = ("全部退订", "TDALL", "拒收全部")
NO_WISH = ("谢谢", "怎么退订")
CARRIERS_OWN = "10086"
HABITS = ("exact", "exact", "86", "+86", "0086", "shorter", "longer", "nobody's")
"""Where people send a reply, beside where the message came from."""


@dataclass(eq=False)
class Wish:
    """What one reply meant."""

    person: int
    advertiser: str  # empty: everything
    port: str  # replied to
    reason: Submit | None  # the message it answers
    before: int = 0  # submits up to this number were handed in before the reply was safe; 0: it is not safe yet
    over: bool = False


class Meaning:
    def __init__(self, world: World) -> None:
        self.world = world
        self.dice = random.Random(f"meaning {world.seed}")
        self.wishes: dict[int, Wish] = {}  # by the number of the deliver
        self.seen: Counter[str] = Counter()

    def begin(self) -> None:
        for _ in range(self.dice.randint(0, 8)):
            self.world.later(self.dice.uniform(1, 20), self.reply, forever=True)

    # ------------------------------------------------------------------ what people write

    def got(self, person: int) -> list[Submit]:
        """Messages that are on the handset, or may be: the carrier did not refuse them."""
        return [
            one
            for one in self.world.submits
            if one.recipient == person
            and one.reached_carrier
            and one.carrier_said == 0
            and one.long is None
            and not one.replaced
        ]

    def reply(self) -> None:
        person = self.dice.choice(PEOPLE)
        got = self.got(person)
        if not got:
            return
        reason = self.dice.choice(got[-4:])
        port, habit = PORTS[reason.provider], self.dice.choice(HABITS)
        to = {
            "shorter": port[:-1], "longer": port + "88", "nobody's": self.dice.choice((NOBODYS, CARRIERS_OWN)), "exact": port,
        }.get(habit, habit + port)  # fmt: skip
        drawn = self.dice.random()
        if drawn < 0.1:
            self._send(person, to, self.dice.choice(NO_WISH), None)
        elif drawn < 0.25:
            self._send(person, to, self.dice.choice(STOP_ALL), Wish(person, "", to, reason))
        elif habit == "nobody's":
            self._send(person, to, self.dice.choice(STOP), Wish(person, "", to, reason))
        elif not self.world.steps:  # else the gate cannot know what came shortly before
            own = WORDS[reason.advertiser[-1]]
            self._send(person, to, self.dice.choice((*STOP, own, own)), Wish(person, reason.advertiser, to, reason))
        self.seen[f"replied: {habit}"] += 1

    def _send(self, person: int, port: str, text: str, wish: Wish | None) -> None:
        owner = next((name for name, own in PORTS.items() if digits_of(port).startswith(own)), UNOWNED)
        number = self.world.mail.carry_reply(owner, person, text, port, kind="meant")
        if wish is not None:
            self.wishes[number] = wish

    # ------------------------------------------------------------------ what must hold

    def read(self, deliver: Deliver) -> None:
        """The gate reads it: from now on what it takes back may come again, or not yet."""
        if deliver.kind != "restore":
            return
        for wish in self.wishes.values():
            wish.over |= wish.person == deliver.person and self._takes_back(wish, deliver.port)

    def _takes_back(self, wish: Wish, port: str) -> bool:
        if related(digits_of(wish.port), port):
            return True
        return bool(wish.advertiser) and any(
            (one.recipient, one.advertiser, PORTS[one.provider]) == (wish.person, wish.advertiser, port)
            for one in self.world.submits
        )

    def acknowledged(self, deliver: Deliver) -> None:
        wish = self.wishes.get(deliver.number)
        if wish is not None and not wish.before:
            wish.before = len(self.world.submits)
            self.seen["meant everything" if not wish.advertiser else "meant an advertiser"] += 1
            for _ in range(self.dice.randint(0, 2)):
                self.world.later(self.dice.expovariate(1), partial(self._they_try_again, wish), forever=True)

    def _they_try_again(self, wish: Wish) -> None:
        """The advertiser goes on, through whichever provider."""
        advertiser = wish.advertiser or self.dice.choice(list(PORTS)) + self.dice.choice(list(WORDS))
        self.world.providers.advertise(self.dice.choice(list(PORTS)), advertiser, wish.person)

    def check_sent(self, submit: Submit) -> None:
        """A message reaches the carrier."""
        for wish in self.wishes.values():
            if not wish.before or wish.over or wish.person != submit.recipient or submit.number <= wish.before:
                continue
            if wish.advertiser not in ("", submit.advertiser) or submit.long is not None:
                continue  # of a part nobody may know whose it is
            if wish.reason is not None and (wish.reason.forgiven or wish.reason.replaced):
                continue  # a power loss took what the gate knew of it
            meant = wish.advertiser or "everything"
            raise Broken(
                f"submit {submit.number} of {submit.advertiser} went to {wish.person}, who meant {meant} at {wish.port}"
            )

    def check_at_rest(self) -> None:
        """The second reading of the journal finds nothing that was sent after it was refused."""
        records = list(read(self.world.disk, 1))
        for person in PEOPLE:
            history = PersonHistory(person)
            for record in records:
                history.take(0, record)
            for sent, claim in history.findings().against:
                what = "everything" if claim.everything else sorted(claim.names)
                raise Broken(f"the journal: {sent.name} was sent to {person}, who had refused {what} at {claim.port}")
