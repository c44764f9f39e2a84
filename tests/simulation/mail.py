"""Mail: the way back: delivers of the carrier, and the binds of providers that fetch them.

In: receipts and replies to carry, the seed's choices. Out: deliver_sm to the gate; answers of both ends. Never: what a reply means.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from proxy.state.mailbox.deliver_queue import Item
from proxy.wire import Frame, deliver_sm, deliver_sm_resp
from proxy.wire.tables import RECEIPTED_MESSAGE_ID
from tests.simulation.nouns import (
    ANSWERED_WITHIN_S,
    NEVER,
    NOON,
    NOT_NOW,
    PORTS,
    REPLIES,
    RESPONSE_S,
    RUN_S,
    Broken,
    Deliver,
    SimReceiver,
    Submit,
)

if TYPE_CHECKING:
    from tests.simulation.carrier import Carrier
    from tests.simulation.world import World


class Mail:
    def __init__(self, world: World) -> None:
        self.world = world
        self.returned = 0  # delivers the gate left with the carrier
        self.tried: set[int] = set()  # items that were handed over at least once, by number
        self.receivers: list[SimReceiver] = []
        self.last_first: dict[str, int] = {}  # the newest item that was handed to each provider

    def gate_starts(self) -> None:
        """Providers bind, and what nobody acknowledged comes again, for the links were lost, too."""
        world = self.world
        self.receivers = []
        self.last_first = dict.fromkeys(PORTS, 0)
        for name in PORTS:
            for _ in range(world.random.randint(1, 2)):
                world.later(world.random.uniform(0, 3), partial(self.provider_binds, name))
        for deliver in world.delivers:
            if not deliver.acknowledged:
                world.later(world.random.uniform(0.1, 2), partial(self.deliver, deliver))

    def receipt(self, carrier: Carrier, submit: Submit) -> None:
        """The carrier tells what became of a message it has just accepted, at once or a while later."""
        do = partial(self.receipt_now, carrier, submit)
        if self.world.chance(0.5):
            do()
        else:
            self.world.later(self.world.random.uniform(0, 5), do, forever=True)

    def receipt_now(self, carrier: Carrier, submit: Submit) -> None:
        number = len(self.world.delivers) + 1
        named = carrier.in_receipts(submit.own_id)
        beside = carrier.in_answers(submit.own_id) if number % 3 == 1 else named.encode()  # as some carriers do
        frame = receipt_frame(number, submit, named, beside)
        self._carry(Deliver(number, submit.provider, submit.recipient, "receipt", frame, carrier.name, submit))

    def reply(self, owner: str, person: int, text: str, port: str) -> None:
        self.carry_reply(owner, person, text, port, REPLIES[text])

    def carry_reply(self, owner: str, person: int, text: str, port: str, kind: str) -> int:
        number = len(self.world.delivers) + 1
        frame = deliver_sm(f"86{person}", port, text.encode("utf-16-be"), data_coding=8, sequence=number)
        carrier = self.world.random.choice(self.world.carriers)
        self._carry(Deliver(number, owner, person, text, frame, carrier.name, port=port, kind=kind))
        return number

    def _carry(self, deliver: Deliver) -> None:
        self.world.delivers.append(deliver)
        self.deliver(deliver)

    def deliver(self, deliver: Deliver) -> None:
        deliver.read_at, deliver.answered = self.world.now, False
        self.world.meaning.read(deliver)
        if deliver.kind == "restore":  # from now on messages may pass again, or not yet
            self.world.people.refused.pop(deliver.person, None)
        elif deliver.text == "QXDY" and deliver.kind != "meant":
            deliver.kind = "optout" if self.world.people.surely_declared(deliver) else "perhaps"
        self.world.deliver_relay.deliver_all(self.world.link_to(deliver.carrier), [Frame.of(deliver.frame)], self.world.wall)
        self.world.wake()
        self.world.later(ANSWERED_WITHIN_S - 0.1, self.tick)
        self.world.later(ANSWERED_WITHIN_S, partial(self.must_be_answered, deliver))

    def tick(self) -> None:
        """The gate looks at what waits for the disk many times a second; here, when it matters."""
        self.world.deliver_relay.tick(self.world.wall)
        self.world.wake()

    def must_be_answered(self, deliver: Deliver) -> None:
        if not deliver.answered and self.world.now - deliver.read_at >= ANSWERED_WITHIN_S:
            raise Broken(f"deliver {deliver.number} was not answered within {ANSWERED_WITHIN_S} s")

    def acknowledged(self, frame: Frame) -> None:
        deliver = self.world.delivers[frame.sequence_number - 1]
        if deliver.answered:
            raise Broken(f"deliver {deliver.number} was answered twice")
        deliver.answered = True
        if frame.command_status:
            self.returned += 1
            self.world.later(self.world.random.uniform(0.5, 3), partial(self.deliver, deliver))
            return
        deliver.acknowledged = True
        safe = self.world.on_disk(synced=True)
        if deliver.number not in safe.delivers:
            raise Broken(f"deliver {deliver.number} was acknowledged before it was synced")
        self.world.people.check_reply(deliver, safe)
        self.world.meaning.acknowledged(deliver)

    @property
    def calm(self) -> bool:
        """Towards the end everybody is there and takes everything."""
        return self.world.now > NOON + RUN_S

    def provider_binds(self, name: str) -> None:
        self.receivers.append(SimReceiver(self.world, name, self.world.random.randint(1, 4)))
        self.world.deliver_relay.bound(name)
        self.world.wake()

    def provider_leaves(self) -> None:
        """All binds of one provider, or one of all; it is back some time later."""
        if not self.receivers:
            return
        first = self.world.random.choice(self.receivers)
        all_of_it = self.world.chance(0.6)
        for receiver in [one for one in self.receivers if one.provider == first.provider and (all_of_it or one is first)]:
            self.receivers.remove(receiver)
            receiver.up = False
            self.world.deliver_relay.lost(list(receiver.unanswered.values()))
            self.world.later(self.world.random.uniform(0.1, 15), partial(self.provider_binds, first.provider))
        self.world.wake()

    def handed(self, receiver: SimReceiver, sequence: int, frame: Frame, item: Item) -> None:
        deliver = self.world.delivers[frame.sequence_number - 1]
        if deliver.owner != receiver.provider:
            raise Broken(f"{receiver.provider} was handed a deliver that is not its own")
        self.check_handed(deliver, frame)
        if item.number not in self.world.on_disk(synced=True).recorded:
            raise Broken(f"deliver {deliver.number} was handed over before it was synced")
        if item.number not in self.world.on_disk().waiting:
            raise Broken(f"deliver {deliver.number} was handed over again after it was delivered or dropped")
        if item.number not in self.tried:
            self.tried.add(item.number)
            if not deliver.asks_record:  # which waits for the store, while others pass
                if item.number < self.last_first[receiver.provider]:
                    raise Broken(f"deliver {deliver.number} was overtaken")
                self.last_first[receiver.provider] = item.number
        submit = deliver.receipt_of
        if submit is not None and submit.told is None and submit.epoch == self.world.epoch:
            raise Broken(f"the receipt of submit {submit.number} came before the answer")
        self.provider_answers(receiver, sequence, deliver)
        self.world.later(RESPONSE_S, partial(self.overdue, receiver, sequence))

    def check_handed(self, deliver: Deliver, frame: Frame) -> None:
        """Byte for byte, but that a receipt names its message as the answer did."""
        submit = deliver.receipt_of
        if submit is None:
            if frame.data != deliver.frame:
                raise Broken(f"deliver {deliver.number} was altered on its way")
        elif submit.told == 0 and submit.told_id:
            told = submit.told_id.decode()
            if frame.data != receipt_frame(deliver.number, submit, told, submit.told_id):
                raise Broken(f"the receipt of submit {submit.number}, which was told {told}, says {frame.data!r}")

    def provider_answers(self, receiver: SimReceiver, sequence: int, deliver: Deliver) -> None:
        drawn = 1.0 if self.calm else self.world.random.random()
        delay = self.world.random.expovariate(20)
        if drawn < 0.05:
            return  # silence
        status = 0
        if drawn < 0.15:
            status = NOT_NOW
        elif drawn < 0.2:
            status = NEVER
        elif drawn < 0.25:
            delay = RESPONSE_S + 0.5

        def answer() -> None:
            if not receiver.up:
                return
            deliver.got += status == 0
            deliver.refused |= status == NEVER
            if sequence in receiver.unanswered:
                item = receiver.unanswered.pop(sequence)
                self.world.deliver_relay.answered([(item, Frame.of(deliver_sm_resp(sequence, status)))], self.world.wall)
            elif status == 0 and sequence in receiver.late:
                self.world.deliver_relay.delivered(receiver.late.pop(sequence))
            self.world.wake()

        self.world.later(delay, answer)

    def overdue(self, receiver: SimReceiver, sequence: int) -> None:
        item = receiver.unanswered.pop(sequence, None) if receiver.up else None
        if item is not None:
            receiver.late[sequence] = item
            self.world.deliver_relay.unanswered([item])
            self.world.wake()


def receipt_frame(number: int, submit: Submit, in_text: str, in_parameter: bytes) -> bytes:
    """A receipt that names its message in the text, in receipted_message_id, or in both; now and then to the port with the country's code."""
    port = ("86" if number % 5 == 0 else "") + PORTS[submit.provider]
    text = f"id:{in_text} stat:DELIVRD" if number % 3 else "stat:DELIVRD"
    tlvs = [(RECEIPTED_MESSAGE_ID, in_parameter + b"\0")] if number % 3 != 2 else []
    return deliver_sm(
        f"86{submit.recipient}", port, text.encode("utf-16-be"), data_coding=8, esm_class=4, tlvs=tlvs,
        sequence=number,
    )  # fmt: skip
