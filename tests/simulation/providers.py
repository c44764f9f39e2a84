"""Providers: they send, are told, and what they are told holds.

In: the seed's choices, the gate's answers. Out: submits, singly, to many or as the parts of a long message (longs.py). Never: what the
carrier or a person does.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from proxy.relay.commands import Data
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.submit_multi import submit_multi
from proxy.wire import Frame, read_fields, submit_sm
from proxy.wire.multi import read_multi
from tests import pdus
from tests.simulation.disguises import disguised
from tests.simulation.nouns import (
    BANNED,
    CARRIER_REFUSES,
    ESME_RSYSERR,
    PEOPLE,
    PORTS,
    STOPPED,
    SUPPRESSED,
    WORDS,
    Broken,
    SimBind,
    Submit,
    covers,
    nameless,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


class Providers:
    def __init__(self, world: World) -> None:
        self.world = world
        self.refusals_told: Counter[bytes] = Counter()
        self.dice = random.Random(f"signatures {world.seed}")
        self.reserved = random.Random(f"reserved {world.seed}")

    def submit(self) -> None:
        name = self.world.random.choice(list(PORTS))
        unknown = [submit for submit in self.world.submits if submit.told == ESME_RSYSERR and submit.provider == name]
        unknown += [
            submit
            for submit in self.world.submits
            if submit.told == CARRIER_REFUSES and submit.long and submit.provider == name
        ]
        again = self.world.random.choice(unknown) if unknown and self.world.chance(0.5) else None
        number = len(self.world.submits) + 1
        recipient = again.recipient if again else self.world.random.choice(PEOPLE)
        if again is not None and again.long is not None:
            self.world.longs.again(again)
            return
        advertiser = again.advertiser if again else self.signs(name) + self.world.random.choice(list(WORDS))
        if again is None and self.world.chance(0.3):
            self.world.longs.provider_sends(name, advertiser, recipient, number)
            return
        text = again.text if again else f"【{advertiser}】双11第{number}张券 拒收请回复{WORDS[advertiser[-1]]}"
        if again is None and random.Random(f"invoices {self.world.seed} {number}").random() < 0.03:
            text = f"【{advertiser}】{BANNED}"
        if again is None and self.world.chance(0.1):
            self.submit_to_many(name, text, advertiser)
            return
        bind, kind = self.world.binds[name], PendingSubmit
        octets, coding = disguised(self.world.seed, text)
        frame = submit_sm(PORTS[name], str(recipient), octets, data_coding=coding, sequence=number)
        if self.world.chance(0.1) if again is None else again.frame[4:8] == frame_data_sm("", 0, "", 0)[4:8]:
            frame, kind = frame_data_sm(PORTS[name], recipient, text, number), Data
        submit = Submit(number, name, recipient, text, self.world.now, frame, self.world.epoch, advertiser=advertiser)
        submit.kind = "submit_sm" if kind is PendingSubmit else "data_sm"
        self.hand_in(submit, bind, kind)
        if self.reserved.random() < 0.05:
            self.submit_reserved(name, advertiser, recipient)

    def signs(self, name: str) -> str:
        """Whose advertisers a provider sends for: mostly its own, but they have others, too."""
        return name if self.dice.random() < 0.6 else self.dice.choice(list(PORTS))

    def advertise(self, name: str, advertiser: str, recipient: int) -> None:
        """One advertisement, as a plain submit."""
        number = len(self.world.submits) + 1
        text = f"【{advertiser}】双11第{number}张券 拒收请回复{WORDS[advertiser[-1]]}"
        octets, coding = disguised(self.world.seed, text)
        frame = submit_sm(PORTS[name], str(recipient), octets, data_coding=coding, sequence=number)
        submit = Submit(number, name, recipient, text, self.world.now, frame, self.world.epoch, advertiser=advertiser)
        self.hand_in(submit, self.world.binds[name])

    def submit_reserved(self, name: str, advertiser: str, recipient: int) -> None:
        """One with a value that SMPP 3.4 reserves."""
        number, text = len(self.world.submits) + 1, f"【{advertiser}】双11第0张券"
        frame = submit_sm(PORTS[name], str(recipient), text.encode("utf-16-be"), data_coding=8, priority=9, sequence=number)
        submit = Submit(
            number, name, recipient, text, self.world.now, frame, self.world.epoch, advertiser=advertiser, reserved=True
        )
        self.hand_in(submit, self.world.binds[name])

    def hand_in(self, submit: Submit, bind: SimBind, kind: type[PendingSubmit] = PendingSubmit) -> None:
        self.world.submits.append(submit)
        submit.asked = self.world.moment
        bind.asked[submit.number] = submit
        world, frame = self.world, Frame.of(submit.frame)
        if kind is PendingSubmit:
            world.relay.submit_all(cast("Any", bind), [frame], world.wall, world.now)
        else:
            world.relay.submit(cast("Any", bind), frame, world.wall, world.now, kind)
        self.world.wake()

    def submit_to_many(self, name: str, text: str, advertiser: str) -> None:
        """A submit_multi to some people, each once: of one who is there twice an answer does not say which was refused."""
        first, bind = len(self.world.submits) + 1, self.world.binds[name]
        people = self.world.random.sample(PEOPLE, self.world.random.randint(1, 4))
        frame = Frame.of(pdus.multi(PORTS[name].encode(), people, text, sequence=first))
        multi = read_multi(frame)
        group = [
            Submit(
                first + place, name, person, text, self.world.now, multi.submit(place), self.world.epoch, advertiser=advertiser
            )
            for place, person in enumerate(people)
        ]
        for submit in group:
            submit.kind, submit.asked = "submit_multi", self.world.moment
        self.world.submits += group
        bind.groups[first] = group
        bind.asked.update((submit.number, submit) for submit in group)
        submit_multi(self.world.relay, cast("Any", bind), frame, self.world.wall, self.world.now)
        self.world.wake()

    def told(self, bind: SimBind, frame: Frame) -> None:
        group = bind.groups.get(frame.sequence_number)
        told_id = b"" if frame.command_status else read_fields(frame)["message_id"]
        if group is None:
            self.submit_told(bind.asked[frame.sequence_number], frame.command_status, told_id)
            return
        refused = {one["addr"]: one["status"] for one in read_fields(frame).get("unsuccess_sme", ())}
        one_carrier = (
            len({submit.carrier for submit in group if submit.carrier}) == 1
        )  # else the id is that of the first of them
        for submit in group:
            status = refused.get(b"%d" % submit.recipient, frame.command_status)
            self.submit_told(submit, status, told_id if one_carrier else b"")

    def submit_told(self, submit: Submit, status: int, told_id: bytes) -> None:
        if submit.told is not None:
            raise Broken(f"submit {submit.number} answered twice: {submit.told}, {status}")
        submit.told = status
        if status == 0:
            submit.told_id = told_id
            self.world.asking.known.add(told_id)
            if submit.carrier_said != 0:
                raise Broken(f"submit {submit.number} acknowledged, the carrier said {submit.carrier_said}")
            if submit.entry not in self.world.on_disk(synced=True).entries:
                raise Broken(f"submit {submit.number} acknowledged before its entry was synced")
        elif status == CARRIER_REFUSES:
            if submit.carrier_said == 0:
                raise Broken(f"submit {submit.number} told of a refusal that never was")
            if submit.entry not in self.world.on_disk().refused_by_carrier:
                raise Broken(f"submit {submit.number} told of a refusal before it was written")
        elif status >= 0x400:
            self.refusals_told[nameless(submit.frame)] += 1
            known = self.world.on_disk().refused[nameless(submit.frame)]
            if not known or (submit.long is None and self.refusals_told[nameless(submit.frame)] > known):
                raise Broken(f"submit {submit.number} refused before the verdict, or that it came again, was written")
        self._check_held_back(submit, status)
        self.world.longs.told(submit)

    def _check_held_back(self, submit: Submit, status: int) -> None:
        assert submit.asked is not None
        if status == SUPPRESSED and submit.long is None:  # a later part inherits, whatever the person takes back meanwhile
            held_back = self.world.operators.may_hold_back(submit) or self.world.agreeing.may_hold_back(submit)
            refused = self.world.on_disk().refused_by(submit.recipient, submit.asked.turns)
            if not held_back and not any(covers(one, submit) for one in refused):
                raise Broken(f"submit {submit.number} is held back though nobody refused it, or took it back")
        stopped = status == STOPPED and submit.long is None
        if stopped and not self.world.operators.may_stop(submit.provider, submit.asked):
            raise Broken(f"submit {submit.number} was stopped by nobody")

    # ------------------------------------------------------------------ a restart

    def gate_died(self) -> None:
        """What was acknowledged is there; what a power loss may take is forgiven."""
        kept = self.world.on_disk()
        for body in self.refusals_told:  # a refusal may have been written, not synced
            self.refusals_told[body] = min(self.refusals_told[body], kept.refused[body])
        for submit in self.world.submits:
            if submit.reached_carrier and submit.entry not in kept.entries:
                if submit.told == 0:
                    raise Broken(f"submit {submit.number} was acknowledged and is lost")
                submit.forgiven = True
            elif submit.taken_back and submit.entry not in kept.taken_back:
                submit.taken_back = False  # the gate never wrote that it had heard: the entry stays counted


def frame_data_sm(source: str, recipient: int, text: str, sequence: int) -> bytes:
    return pdus.data(source.encode(), b"%d" % recipient, text, sequence)
