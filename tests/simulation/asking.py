"""Asking: providers ask about, cancel and replace what they or others sent; and what must hold when they do.

In: the seed's choices. Out: query_sm, cancel_sm and replace_sm to the gate, the carrier's answers to them. Never: submits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from proxy.journal.records import answers, messages
from proxy.journal.records.messages import VerdictRecord
from proxy.journal.write_ahead_log import read
from proxy.model.reasons import RULE_REASONS
from proxy.relay.effects.record_changes import Effect
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire import Frame, read_fields
from proxy.wire.tables import (
    CANCEL_SM,
    ESME_RCANCELFAIL,
    ESME_RINVSRCADR,
    ESME_RMSGQFUL,
    ESME_RQUERYFAIL,
    ESME_RREPLACEFAIL,
    ESME_RTHROTTLED,
    QUERY_SM,
    REPLACE_SM,
)
from tests import pdus
from tests.simulation.carrier import Carrier, Said
from tests.simulation.nouns import (
    BANNED,
    ESME_RSYSERR,
    PORTS,
    STOPPED,
    SUPPRESSED,
    WORDS,
    Broken,
    Moment,
    SimBind,
    Submit,
    covers,
    nameless,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

FAILS = {QUERY_SM: ESME_RQUERYFAIL, CANCEL_SM: ESME_RCANCELFAIL, REPLACE_SM: ESME_RREPLACEFAIL}
COMMANDS = [REPLACE_SM, REPLACE_SM, REPLACE_SM, CANCEL_SM, QUERY_SM]
FIRST_NUMBER = 1_000_000
"""Sequence numbers of questions: behind those of submits."""
KEYWORD = RULE_REASONS["keyword"].status
LATER = (ESME_RMSGQFUL, ESME_RTHROTTLED)


@dataclass(eq=False)
class Question:
    """One query_sm, cancel_sm or replace_sm, as its provider and the carrier know it."""

    number: int
    command: int
    provider: str
    source: str
    message_id: bytes
    target: Submit | None  # None: the id is nobody's
    text: str
    asked_at: float
    restarts: int  # of the gate, when it was asked
    known: bool  # whether the gate keeps this id
    asked: Moment
    reached: int = 0  # the carrier, how often
    carrier_said: int | None = None
    told: int | None = None
    entry: int = 0  # of a replacement

    @property
    def owns_source(self) -> bool:
        return self.source == PORTS[self.provider]

    @property
    def owns_message(self) -> bool:
        return self.target is not None and self.target.provider == self.provider

    @property
    def replaceable(self) -> bool:
        """Whether it names a message that stands alone, in one submit_sm."""
        return self.target is not None and self.target.long is None and self.target.kind == "submit_sm"

    def frame(self, message_id: bytes) -> bytes:
        source = self.source.encode()
        if self.command == REPLACE_SM:
            stands = read_fields(Frame.of(self.target.frame)) if self.replaceable and self.target is not None else {}
            alphabet = {0: "utf-8", 15: "gb18030"}.get(stands.get("data_coding", 8), "utf-16-be")  # it stays what it was
            return pdus.replace(message_id, source, self.text.encode(alphabet), self.number)
        return (pdus.query if self.command == QUERY_SM else pdus.cancel)(message_id, source, sequence=self.number)

    def __str__(self) -> str:
        word = {QUERY_SM: "query", CANCEL_SM: "cancel", REPLACE_SM: "replacement"}[self.command]
        return f"{word} {self.number - FIRST_NUMBER} of submit {self.target.number if self.target else None}"


class Asking:
    def __init__(self, world: World) -> None:
        self.world = world
        self.questions: list[Question] = []
        self.replacements: dict[Submit, list[Question]] = {}
        """Those that reached the carrier."""
        self.known: set[bytes] = set()
        """Ids the gate keeps: of what was accepted in this life of it, and of what a restart found in its part of the journal."""

    def gate_starts(self, open_from: int) -> None:
        """The ids of what was accepted behind the last checkpoint, read here a second time."""
        self.known = set()
        verdicts: dict[int, VerdictRecord] = {}
        for item in read(self.world.disk, open_from):
            if item.kind == messages.VERDICT:
                verdicts[item.sequence] = messages.unpack_verdict(item.body)
            for answer in answers.unpack_answers(item):
                if answer.effect == Effect.ACCEPTED and answer.verdict_sequence in verdicts:
                    self.known.add(answer.carrier_id.partition(b"\0")[0])

    # ------------------------------------------------------------------ asking

    def ask(self) -> None:
        world, dice = self.world, self.world.random
        name = dice.choice(list(PORTS))
        other = next(one for one in PORTS if one != name)
        sent = [submit for submit in world.submits if submit.told == 0 and submit.told_id]
        drawn = dice.random()
        whose = name if drawn < 0.8 else other if drawn < 0.95 else ""
        command = dice.choice(COMMANDS)
        candidates = [submit for submit in sent if submit.provider == whose]
        if command == REPLACE_SM and world.chance(0.8):
            candidates = [submit for submit in candidates if submit.long is None and submit.kind == "submit_sm"]
        target = dice.choice(candidates[-6:]) if candidates else None
        number = FIRST_NUMBER + len(self.questions)
        advertiser = target.advertiser if target is not None and target.provider == name else name + "甲"
        banned = BANNED if world.chance(0.2) else ""
        message_id = target.told_id if target is not None else b"B1never" if world.coded else b"never"
        question = Question(
            number, command, name, PORTS[other if world.chance(0.05) else name], message_id, target,
            f"【{advertiser}】改第{number}张券{banned} 拒收请回复{WORDS[advertiser[-1]]}", world.now, world.restarts,
            message_id in self.known, world.moment,
        )  # fmt: skip
        self.questions.append(question)
        bind = world.binds[name]
        bind.questions[number] = question
        world.commands.take(cast("Any", bind), Frame.of(question.frame(message_id)), world.wall, world.now)
        world.wake()

    # ------------------------------------------------------------------ at the carrier

    def reaches_socket(self, carrier: Carrier, transit: PendingSubmit) -> None:
        question = self._of(transit)
        question.reached += 1
        if question.reached > 1:
            raise Broken(f"{question} was sent twice")
        if not question.owns_source:
            raise Broken(f"{question} left from a port that is not {question.provider}'s")
        if question.known and not question.owns_message:
            raise Broken(f"{question}, which is not {question.provider}'s, reached the carrier")
        target = question.target
        if target is not None and target.carrier != carrier.name:
            raise Broken(f"{question} was asked of {carrier.name}, {target.carrier} has it")
        theirs = question.message_id[2:] if self.world.coded else question.message_id
        if nameless(transit.data) != nameless(question.frame(theirs)):
            raise Broken(f"{question} was altered on its way")
        if question.command == REPLACE_SM:
            self._replacement_leaves(carrier, question, transit)

    def _replacement_leaves(self, carrier: Carrier, question: Question, transit: PendingSubmit) -> None:
        target = question.target
        if not question.known or target is None:
            raise Broken(f"{question} reached the carrier, though the gate does not know the message")
        if target.long is not None or target.kind == "data_sm":
            raise Broken(f"{question} reached the carrier, though it is only a part of something")
        if BANNED in question.text:
            raise Broken(f"{question} went out with a banned word in it")
        if transit.entry_id not in self.world.on_disk().entries:
            raise Broken(f"{question} left before its entry was written")
        if transit.entry_id in self.world.by_entry:
            raise Broken(f"entry {transit.entry_id} names two messages")
        carrier.check_refusals(target, question.text, question.asked_at)
        question.entry = transit.entry_id
        self.replacements.setdefault(target, []).append(question)

    def at_carrier(self, carrier: Carrier, transit: PendingSubmit) -> Said:
        """It asks whose the message is, as it should."""
        question = self._of(transit)
        theirs = question.message_id[2:] if self.world.coded else question.message_id
        message = carrier.has.get(theirs)
        refuses = message is None or PORTS[message.provider] != question.source or self.world.chance(0.15)
        question.carrier_said = status = FAILS[question.command] if refuses else 0
        asked = question.command == QUERY_SM and not refuses
        return Said([status], Frame.of(pdus.query_resp(theirs) if asked else pdus.header(question.command, status)))

    def _of(self, transit: PendingSubmit) -> Question:
        return cast("SimBind", transit.bind).questions[transit.sequence]

    # ------------------------------------------------------------------ what the provider is told

    def told(self, question: Question, frame: Frame) -> None:
        status = frame.command_status
        if question.told is not None:
            raise Broken(f"{question} answered twice: {question.told}, {status}")
        question.told = status
        if status == 0:
            self._told_yes(question, frame)
        elif status == ESME_RSYSERR:
            if not question.reached:
                raise Broken(f"{question} is said to be unknown, and never left")
        elif status == FAILS[question.command]:
            if question.owns_source and not question.reached and self._must_be_found(question):
                raise Broken(f"{question} failed, though the gate knows the message")
        elif status not in LATER:
            self._told_no(question, status)

    def _told_no(self, question: Question, status: int) -> None:
        """A refusal of the gate's own has its reason."""
        target = question.target
        if status == ESME_RINVSRCADR:
            if question.owns_source:
                raise Broken(f"{question} was refused for its port")
        elif status == KEYWORD:
            if BANNED not in question.text:
                raise Broken(f"{question} was refused for words it does not have")
        elif status == STOPPED:
            if not self.world.operators.may_stop(question.provider, question.asked):
                raise Broken(f"{question} was stopped by nobody")
        elif status != SUPPRESSED:
            raise Broken(f"{question} was refused with {status:#x}: it counts no second time")
        elif target is None or not (
            self.world.operators.may_hold_back(target)
            or self.world.agreeing.may_hold_back(target)
            or any(covers(one, target) for one in self.world.on_disk().refused_by(target.recipient, question.asked.turns))
        ):
            raise Broken(f"{question} is held back though nobody refused it, or took it back")

    def _told_yes(self, question: Question, frame: Frame) -> None:
        if question.carrier_said != 0:
            raise Broken(f"{question} acknowledged, the carrier said {question.carrier_said}")
        if question.command == REPLACE_SM and question.entry not in self.world.on_disk(synced=True).entries:
            raise Broken(f"{question} acknowledged before its entry was synced")
        if question.command == QUERY_SM and read_fields(frame)["message_id"] != question.message_id:
            raise Broken(f"the answer to {question} names another message")

    @staticmethod
    def _must_be_found(question: Question) -> bool:
        return question.command == REPLACE_SM and question.known and question.owns_message and question.replaceable

    # ------------------------------------------------------------------ promises at rest

    def check_at_rest(self) -> None:
        if self.world.commands.index.in_doubt:
            raise Broken("it is still in doubt at rest which text a message has")
        for bind in self.world.binds.values():
            for question in bind.questions.values():
                if question.told is None:
                    raise Broken(f"{question} was never answered")

    def check_entries(self, submit: Submit, live: dict[int, int]) -> None:
        """A message that was replaced counts once, as the text that it has now if that is known."""
        disk, others = self.world.on_disk(), self.replacements[submit]
        standing = set(map(self._left, live))
        counted = [one for one in (submit.entry, *(one.entry for one in others)) if one in standing]
        if len(counted) != 1:
            raise Broken(f"submit {submit.number} and its replacements count {len(counted)} times")
        stands = [one.entry for one in others if one.entry in disk.entries and one.entry not in disk.unreplaced]
        if len(stands) < 2 and counted != (stands or [submit.entry]) and len(others) == 1:
            raise Broken(f"submit {submit.number} counts as {'its replacement' if counted[0] != submit.entry else 'it was'}")

    def _left(self, entry: int) -> int:
        """The entry, or that of the newest text before it that left: one that was written and never did counts for the message all the
        same."""
        adopts = self.world.on_disk().adopts
        left = {*self.world.by_entry, *(one.entry for some in self.replacements.values() for one in some)}
        while entry and entry not in left:
            entry = adopts.get(entry, 0)
        return entry
