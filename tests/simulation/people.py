"""People: they reply, refuse, take it back, and what they said holds.

In: the seed's choices, what the gate acknowledged. Out: replies. Never: how a reply travels (mail.py).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from proxy.journal.records.delivers import OptedOut
from proxy.policy.text.folding import signature
from proxy.relay.effects.optouts import ALL_MARKETING
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.mailbox.mailbox import UNOWNED
from proxy.wire import Frame, read_fields
from tests.simulation.disk import OnDisk
from tests.simulation.nouns import COMMON, CONFIRMED, NOBODYS, PEOPLE, PORTS, REPLIES, SCOPES, Broken, Deliver, hash_of

if TYPE_CHECKING:
    from tests.simulation.world import World


class People:
    def __init__(self, world: World) -> None:
        self.world = world
        self.refused: dict[int, dict[tuple[str, str], float]] = {}  # person → (scope, value) → when that was acknowledged
        self.acknowledged: Counter[tuple[int, str, str]] = Counter()  # replies by person, port, kind
        self.confirmations: Counter[tuple[int, str, str]] = Counter()  # by person, scope, value
        self.widen_after = world.random.choice([0, 2])

    def reply(self) -> None:
        person, name = self.world.random.choice(PEOPLE), self.world.random.choice(list(PORTS))
        text = self.world.random.choice(list(REPLIES))
        if self.world.chance(0.1):
            name = UNOWNED
        self.world.mail.reply(name, person, text, PORTS.get(name, NOBODYS))

    def confirmed(self, transit: PendingSubmit) -> None:
        """A message of the gate itself: why it was said is on the disk, and it was not said before."""
        fields = read_fields(Frame.of(transit.data))
        person, port = int(fields["destination_addr"][-11:]), fields["source_addr"].decode()
        if not port.startswith(PORTS[CONFIRMED]) or fields["registered_delivery"]:
            raise Broken(f"a confirmation from {port} with registered_delivery {fields['registered_delivery']}")
        said = [one for one in self.world.on_disk(synced=True).said if (one.recipient, one.port) == (person, port)]
        if not said:
            raise Broken("a confirmation left before it was synced")
        keys = [(person, *one.refusal[:2]) for one in said]  # of two that leave together the text does not say which is which
        key = next((one for one in keys if not self.confirmations[one]), keys[-1])
        self.confirmations[key] += 1
        if self.confirmations[key] > 1:
            raise Broken(f"the refusal of {key[1:]} was confirmed twice")
        if not any(one.recipient == person and one.opt_out[:2] == key[1:] for one in self.world.on_disk(synced=True).refusals):
            raise Broken("a confirmation left before the refusal was synced")

    def surely_declared(self, deliver: Deliver) -> bool:
        """Whether this person got a message that asked for this word: acknowledged, so no restart forgets it."""
        return any(
            (submit.recipient, submit.provider, submit.told) == (deliver.person, deliver.owner, 0)
            and submit.text.endswith(f"回复{deliver.text}")
            and submit.long is None  # of which the word may be in a part that came too late
            for submit in self.world.submits
        )

    def check_reply(self, deliver: Deliver, disk: OnDisk) -> None:
        """What a reply that was acknowledged stopped or restored is synced, and is what it should be."""
        person, kind, port = deliver.person, deliver.kind, PORTS.get(deliver.owner, NOBODYS)
        self.acknowledged[person, port, kind] += 1
        told = self.acknowledged[person, port, kind]
        if kind == "restore":
            if sum((one.recipient, one.port) == (person, port) for one in disk.restored) < told:
                raise Broken(f"the reply of {person} was acknowledged before what it takes back was synced")
        elif kind == "optout":
            here = [
                (one, group)
                for one, group in zip(disk.refusals, disk.refused_in, strict=True)
                if (one.recipient, one.port) == (person, port)
            ]
            if len(here) < told:
                raise Broken(f"the reply of {person} was acknowledged before the opt-out was synced")
            for one, group in here:
                self.check_scope(one, deliver.owner, disk, group)
            self.refused.setdefault(person, {}).update(self.holds_for(person, disk))

    def holds_for(self, person: int, disk: OnDisk) -> dict[tuple[str, str], float]:
        """What a person's refusals stop now, all of it acknowledged; a restore under way may end any of it."""
        if any(one.person == person and one.kind == "restore" and not one.acknowledged for one in self.world.delivers):
            return {}
        held = disk.refused_by(person)
        narrow = {one: said.time for one, said in held.items() if one[0] != "category"}
        replies = len(set(narrow.values()))  # what one reply stopped counts once
        surely = not self.world.steps[
            "back"
        ]  # else a record keeps the later time of a reply that came again with an earlier one
        if self.widen_after and surely and min(len(narrow), replies) >= self.widen_after and ALL_MARKETING not in held:
            raise Broken(f"{person} refused {list(narrow)} and still gets marketing of others")
        return dict.fromkeys(held, self.world.now)

    def check_scope(self, one: OptedOut, name: str, disk: OnDisk, group: int) -> None:
        """A word that one advertiser alone asks for stops that advertiser, another one whoever may be meant, or all behind the port; nobody
        else. ``group``: where on the disk it stands."""
        scope, value = one.opt_out[:2]
        word = f"回复{one.keyword}"
        sent = [submit for submit in self.world.submits if (submit.recipient, submit.provider) == (one.recipient, name)]
        asked = sent if one.keyword in COMMON else [submit for submit in sent if submit.text.endswith(word)]
        before = {entry for entry, place in disk.allowed_in.items() if place < group}
        if not any(submit.told == 0 and submit.long is None and submit.entry in before for submit in asked):
            asked, word = sent, ""  # no message on record may have asked for it: whoever may be meant stands for it
        meant = {hash_of(submit.advertiser) for submit in asked}
        if scope == "advertiser" and value not in meant:  # or who signs what parts of several messages say together
            mixed = [text for text in self.world.longs.mixed(one.recipient, name, disk, group) if word in text]
            meant |= {hash_of(signed) for signed in (signature(text).name for text in mixed) if signed}
        if (scope == "advertiser" and value not in meant) or scope not in SCOPES:
            raise Broken(f"{one.keyword} to {one.port} stopped {scope} {value}")
        if scope == "port" and value != PORTS.get(name, NOBODYS):
            raise Broken(f"a refusal at {one.port} stopped port {value}")
