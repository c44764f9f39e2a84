"""Carrier: what leaves the gate, what becomes of it, and what must hold when it does.

In: the gate's lane. Out: answers, late, twice or never; lost links. Never: delivers (mail.py), what providers are told.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from proxy.model.counters import GateCounters
from proxy.net.answer_filter import AnswerFilter, MalformedLog
from proxy.net.lane import Lane
from proxy.relay.commands import Data, MessageQuery
from proxy.relay.message_ids import CarrierIds
from proxy.relay.pending_submit import OtherRequest, PendingSubmit
from proxy.relay.replace_sm import ReplaceSm
from proxy.relay.submit import Relay
from proxy.relay.submit_multi import CarrierMulti
from proxy.wire import Frame, data_sm_resp, submit_sm_resp
from proxy.wire.builders import tlv
from proxy.wire.multi import read_multi
from tests import pdus
from tests.simulation.nouns import (
    BANNED,
    BEIJING,
    CAP,
    CARRIER_REFUSES,
    QUOTA,
    RESPONSE_S,
    Broken,
    SimBind,
    SimLink,
    Submit,
    covers,
    nameless,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


class Said(NamedTuple):
    """An answer: a status for each message that it is about."""

    statuses: list[int]
    frame: Frame


class Carrier:
    def __init__(self, world: World, name: str, code: str, receipt_id: str) -> None:
        """``receipt_id``: in which base its receipts write the numbers that its answers wrote in another, as the settings have it."""
        self.world = world
        self.name = self.account = name
        self.code = code
        self.receipt_id = receipt_id
        self.receipt_id_width = 0
        self.given = world.random.randrange(1, 5000)
        self.told_malformed = GateCounters()
        self.dice = random.Random(f"malformed {world.seed} {name}")
        self.has: dict[bytes, Submit] = {}  # what it took, by its own id

    def gate_starts(self, ids: CarrierIds | None) -> None:
        """The gate's side of it: a link, the lane that flows over it, and what the gate makes of its ids."""
        self.link = SimLink(self.world, self.name)
        self.lane = Lane(self.name, self.code, 1000, self.pump_soon)
        self.lane.up = True
        self.pumping = False
        self.passing = AnswerFilter(MalformedLog(self.told_malformed, self.name, self.name), ids, self.name)

    @property
    def relay(self) -> Relay:
        return self.world.relay

    # ------------------------------------------------------------------ what it calls a message

    def in_answers(self, number: int) -> bytes:
        return {"same": b"c%d", "dec": b"%08x", "hex": b"%010d"}[self.receipt_id] % number

    def in_receipts(self, number: int) -> str:
        """Some carriers that turn hexadecimal numbers into others write 0x before them, and some capitals."""
        hexadecimal = (f"{number:X}", f"0x{number:x}", f"{number:08x}")[number % 3]
        return {"same": f"c{number}", "dec": str(number), "hex": hexadecimal}[self.receipt_id]

    # ------------------------------------------------------------------ what leaves

    def pump_soon(self) -> None:
        if not self.pumping:
            self.pumping = True
            self.world.later(0.0005, self.pump)

    def pump(self) -> None:
        self.pumping = False
        link = self.link
        while link.up and len(link.window) < 4:
            taken = self.lane.take(1)
            if not taken:
                return
            (transit,) = taken
            link.sequence += 1
            sequence = link.sequence
            link.window[sequence] = transit
            self.reaches_socket(transit)
            if not self.world.chance(self.world.faults * 0.1):
                self.world.later(
                    self.world.random.expovariate(100),
                    partial(self.gets, link, sequence, transit),
                    forever=True,
                )
            self.world.later(RESPONSE_S, partial(self.overdue, link, sequence))

    def reaches_socket(self, transit: PendingSubmit) -> None:
        """From here nobody can call a message back."""
        if not transit.entry_id and not isinstance(transit, OtherRequest):
            self.world.people.confirmed(transit)
            return
        if isinstance(transit, (MessageQuery, ReplaceSm)):
            self.world.asking.reaches_socket(self, transit)
        else:
            for member, submit in self.submits_of(transit):
                self.submit_reaches_socket(member, submit)
        if self.world.restarts < 4 and self.world.chance(self.world.faults * 0.05):  # when it hurts most
            self.world.later(self.world.random.choice([0.0, 0.001]), self.world.crash)

    def submits_of(self, transit: PendingSubmit) -> list[tuple[PendingSubmit, Submit]]:
        """What leaves in one PDU."""
        bind = cast("SimBind", transit.bind)
        if isinstance(transit, (MessageQuery, ReplaceSm)) or (not transit.entry_id and not isinstance(transit, OtherRequest)):
            return []  # it is about a submit, or the gate's own words
        if isinstance(transit, CarrierMulti):
            group = bind.groups[transit.sequence]
            return [(member, group[member.sequence - 1]) for member in transit.members]
        return [(transit, bind.asked[transit.sequence])]

    def submit_reaches_socket(self, transit: PendingSubmit, submit: Submit) -> None:
        submit.entry, submit.carrier = transit.entry_id, self.name
        sharing = self.world.by_entry.setdefault(transit.entry_id, [])
        if any(other.long is None or submit.long is None or other.long.key != submit.long.key for other in sharing):
            raise Broken(f"entry {transit.entry_id} names two messages")
        sharing.append(submit)
        submit.reached_carrier += 1
        if submit.reached_carrier > 1:
            raise Broken(f"submit {submit.number} was sent twice")
        if submit.reserved:
            raise Broken(f"submit {submit.number} left with a reserved value: the carrier may close the link for it")
        if transit.entry_id not in self.world.on_disk().entries:
            raise Broken(f"submit {submit.number} left before its entry was written")
        stood_in_for = transit.adopts
        while stood_in_for:  # which may itself have stood in for another, and never have been sent
            for other in self.world.by_entry.get(stood_in_for, ()):
                other.replaced = True
            stood_in_for = self.world.on_disk().adopts.get(stood_in_for, 0)
        began_at = self.world.judged_at(submit, transit)
        text = submit.text if submit.long is None else cast("Any", transit).message.content.text
        self.check_refusals(submit, text, began_at)
        if submit.long is None and BANNED in submit.text:
            raise Broken(f"submit {submit.number} says {BANNED} on the handset")
        if submit.recipient == BEIJING:
            raise Broken(f"submit {submit.number} went to Beijing")
        self.world.operators.check_sent(submit, transit)
        self.world.agreeing.check_sent(submit, transit)
        self.world.meaning.check_sent(submit)
        self.check_caps(submit)
        if submit.long is not None:
            self.world.longs.check_sent(submit, transit)

    def check_refusals(self, submit: Submit, text: str, began_at: float) -> None:
        signed = f"【{submit.advertiser}】" in text  # else nobody can know whom the person would have to have refused
        for refusal, at in self.world.people.refused.get(submit.recipient, {}).items():
            if began_at > at and covers(refusal, submit) and (signed or refusal[0] != "advertiser"):
                raise Broken(f"submit {submit.number} was sent to a person after their opt-out was acknowledged")

    def check_caps(self, last: Submit) -> None:
        out = [s for s in self.world.submits if s.reached_carrier and not s.forgiven and not s.replaced and not s.taken_back]
        if len({s.entry for s in out if s.recipient == last.recipient}) > CAP:
            raise Broken(f"submit {last.number}: more than {CAP} for {last.recipient}")
        if len({s.entry for s in out if s.provider == last.provider}) > QUOTA:
            raise Broken(f"submit {last.number}: more than {QUOTA} from {last.provider}")

    # ------------------------------------------------------------------ what it answers

    def gets(self, link: SimLink, sequence: int, transit: PendingSubmit) -> None:
        """A PDU of the gate arrives."""
        if isinstance(transit, (MessageQuery, ReplaceSm)):
            answer = self.world.asking.at_carrier(self, transit)
        elif not transit.entry_id and not isinstance(
            transit, OtherRequest
        ):  # the gate's own words: what is answered concerns nobody
            self.given += 1
            answer = Said([0], Frame.of(submit_sm_resp(sequence, 0, self.in_answers(self.given))))
            if self.world.chance(0.15):
                answer = Said([CARRIER_REFUSES], Frame.of(submit_sm_resp(sequence, CARRIER_REFUSES, b"")))
        else:
            answer = self.takes(sequence, transit)
        if self.world.chance(self.world.faults * 0.2):
            return  # silence
        delay = RESPONSE_S + 1 if self.world.chance(self.world.faults * 0.3) else self.world.random.expovariate(50)
        for _ in range(2 if self.world.chance(self.world.faults * 0.3) else 1):
            self.world.later(delay, lambda: self.answers(link, sequence, answer))
            delay += self.world.random.expovariate(100)

    def takes(self, sequence: int, transit: PendingSubmit) -> Said:
        """Submits: each is taken, or refused."""
        parts = self.submits_of(transit)
        there = [transit.data]
        if isinstance(transit, CarrierMulti):
            multi = read_multi(Frame.of(transit.data))
            there = [multi.submit(place) for place in range(len(multi.addresses))]
        if [nameless(data) for data in there] != [nameless(submit.frame) for _, submit in parts]:
            raise Broken(f"submit {parts[0][1].number} was altered on its way")
        statuses = [CARRIER_REFUSES if self.world.chance(0.15) else 0 for _ in parts]
        self.given += 1
        name = self.in_answers(self.given)
        for (_, submit), status in zip(parts, statuses, strict=True):
            submit.carrier_said = status
            if not status:
                submit.own_id = self.given
                self.has[name] = submit
        return Said(statuses, self.answer_to(transit, sequence, statuses, name))

    def answers(self, link: SimLink, sequence: int, said: Said) -> None:
        """As a session does: an answer belongs to what waits, to what was given up, or to nothing."""
        if link is not self.link or not link.up:
            return
        relay, statuses = self.world.relay, said.statuses
        self.passing.relay = relay
        if sequence in link.window:
            transit = link.window.pop(sequence)
            self.note_refusals(transit, statuses)
            hears = transit.answered if isinstance(transit, OtherRequest) else partial(relay.answered, transit)
            for _, frame in self.passing.filtered([(transit, said.frame)], [0], self.world.now):
                hears(frame)
            for (_, submit), status in zip(self.submits_of(transit), statuses, strict=False):
                if status == 0:
                    self.world.mail.receipt(self, submit)
        elif sequence in link.late:
            transit = link.late.pop(sequence)
            self.note_refusals(transit, statuses)
            if (late := self.passing.filtered_late(transit, said.frame)) is not None:
                relay.answered_late(transit, late)
        self.world.wake()
        self.pump_soon()

    def answer_to(self, transit: PendingSubmit, sequence: int, statuses: list[int], name: bytes) -> Frame:
        if isinstance(transit, CarrierMulti):
            people = [submit.recipient for _, submit in self.submits_of(transit)]
            refused = [(person, status) for person, status in zip(people, statuses, strict=True) if status]
            return Frame.of(pdus.multi_resp(name, refused))
        build = data_sm_resp if isinstance(transit, Data) else submit_sm_resp
        return self.spoilt(Frame.of(build(sequence, statuses[0], b"" if statuses[0] else name)))

    def spoilt(self, frame: Frame) -> Frame:
        """Now and then it writes what SMPP 3.4 does not allow, though what it means can be told."""
        if self.dice.random() >= self.world.faults * 0.1:
            return frame
        if frame.command_status:
            return frame.with_body(b"x" * 80)
        body = frame.body
        return frame.with_body(self.dice.choice([body[:-1], body + b"\x14", body + tlv(0x1400, b"x") * 2]))

    def note_refusals(self, transit: PendingSubmit, statuses: list[int]) -> None:
        for (member, submit), status in zip(self.submits_of(transit), statuses, strict=False):
            first = member if member.long is None else member.long.leader
            if (
                status and first is not None and first.adopted is None
            ):  # else the attempt that it stands in for may have arrived
                submit.taken_back = True

    def overdue(self, link: SimLink, sequence: int) -> None:
        transit = link.window.pop(sequence, None)
        if transit is not None:
            link.late[sequence] = transit
            self.world.relay.unanswered(transit)
            self.world.wake()
            self.pump_soon()

    # ------------------------------------------------------------------ lost links

    def link_drops(self) -> None:
        link = self.link
        link.up = self.lane.up = False
        window, link.window = link.window, {}
        for transit in window.values():
            self.world.relay.unanswered(transit)
        for unsent in self.lane.take(self.lane.size):
            self.world.relay.unsent(unsent, "no-route")
        self.world.wake()
        self.world.later(self.world.random.uniform(0.1, 5), self.link_returns)

    def link_returns(self) -> None:
        self.link.up = self.lane.up = True
        self.pump_soon()
