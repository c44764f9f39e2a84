"""Reconcile: whether every promise was kept, from what both sides saw, what the last life allowed, and the journal.

In: a World that has run. Out: nothing, or Broken with the promise and the evidence. Never: a gate.
"""

from __future__ import annotations

from collections import defaultdict

from typer.testing import CliRunner

from tests.commands import app as commands
from tests.crash.evidence import ACCEPTED, IGNORED, Message, Question, Refusal, Submit
from tests.crash.harness import CAP, QUOTA, SMALL
from tests.crash.peers import NOT_NOW
from tests.crash.world import OVER, World
from tests.crash.written import Written, holds
from tests.e2e.pdus import (
    CANCEL_SM,
    ESME_RCANCELFAIL,
    ESME_RMSGQFUL,
    ESME_RQUERYFAIL,
    ESME_RREPLACEFAIL,
    ESME_RSUBMITFAIL,
    ESME_RSYSERR,
)

CAPPED, SUPPRESSED, OVER_QUOTA, KEYWORD = (OVER[why] for why in ("recipient-cap", "not-permitted", "provider-quota", "keyword"))
REFUSED = (ESME_RSUBMITFAIL, ESME_RREPLACEFAIL)
"""What a carrier that refuses says; the latter the gate, too, of an id that it does not know."""


OUT_OF_PLACE = (0x455, 0x456, 0x457)
"""Parts that would leave before their first part, with another text than before (each attempt says its own serial), or under the reference of
a message that never became whole."""


def reconcile(world: World) -> None:
    """Raises Broken."""
    evidence = world.evidence
    written = Written(world.harness, evidence)
    holds(not evidence.surprises, "every answer belongs to a submit", *evidence.surprises)
    for submit in evidence.submits.values():
        _each(world, submit, written)
    for message in evidence.messages:
        _message(world, message, written)
    for question in evidence.questions.values():
        _question(world, question, written)
    _opt_outs(world)
    _mail(world, written)
    by_person: dict[str, list[Message]] = defaultdict(list)
    for message in evidence.messages:
        by_person[message.recipient].append(message)
    for person in world.filled:
        _cap(world, person, by_person[person], CAP, written)
    _cap(world, SMALL, [message for message in evidence.messages if message.provider == SMALL], QUOTA, written)
    done = CliRunner().invoke(commands, ["journal", "verify", str(world.harness.journal), "--key", str(world.harness.key)])
    holds(done.exit_code == 0 and "the chain holds" in done.output, "the journal's chain holds", done.output)


def judged_again(world: World) -> None:
    """Raises Broken where the journal, judged again by the rules that were in force, comes out otherwise."""
    done = CliRunner().invoke(commands, ["backtest", "--config", str(world.harness.config), "--since", "all", "--lang", "en"])
    holds(done.exit_code == 0, "judged again by the same rules nothing comes out otherwise", done.output)


def _each(world: World, submit: Submit, written: Written) -> None:
    fates = [arrival.fate for arrival in submit.arrived]
    status = submit.status
    holds(len(fates) <= 1, "nothing is sent to the carrier twice", submit)
    holds(len(submit.told) <= 1, "a submit is answered once", submit)
    holds(status is not None or submit.life < world.evidence.life, "the last gate answers everything", submit)
    if fates:
        holds(submit.serial in written.effects or world.power, "what is sent was written before", submit)
    if submit.acknowledged:
        holds(fates == [ACCEPTED], "what is acknowledged was accepted by the carrier", submit)
        holds(submit.told[0][1] == submit.arrived[0].id, "the id is the carrier's", submit)
        holds(written.counts(submit.message), "what is acknowledged has its entry in the journal", submit)
    elif status in REFUSED and (fates or not submit.replaces):
        holds(fates == [status], "a refusal is the carrier's own", submit)
        effect = written.effects.get(submit.serial)
        holds(
            (world.power and world.follower is None) or written.refused(submit),
            "a refusal that was told is written",
            submit,
            effect,
        )
    elif status == ESME_RSYSERR:
        holds(fates == [IGNORED] or submit.life < world.evidence.life, "only what is unanswered is unknown", submit)
    elif status in (CAPPED, SUPPRESSED, OVER_QUOTA, KEYWORD, ESME_RMSGQFUL, ESME_RREPLACEFAIL) or status in OUT_OF_PLACE:
        holds(not fates, "what the gate refuses never reaches the carrier", submit)
        holds(submit.banned or status != KEYWORD, "no text is refused for a word it does not have", submit)
        holds(not submit.replaces or status not in (CAPPED, OVER_QUOTA), "a replacement counts as what it replaces", submit)
    elif status is not None:
        holds(False, "no status nobody expects", submit)
    if submit.banned and not submit.message.long:
        holds(not fates, "a text that is refused never reaches the carrier", submit)


def _message(world: World, message: Message, written: Written) -> None:
    """What no single submit shows."""
    if message.long:
        holds(not (message.whole and message.submits[0].banned), "no text that is refused goes out whole", message)
    if message.acknowledged:
        holds(written.counts(message), "of what is acknowledged every part, or text, keeps the entry", message)
        late = [submit for submit in message.submits if submit.status == KEYWORD and not submit.replaces]
        noted = all(submit.serial in written.breaches for submit in late)
        holds(noted or world.power, "a part that breaks a rule late is noted as such", *late)
    elif not (message.untold or world.power):
        holds(not written.counts(message), "what was refused in all its parts does not count", message)


def _question(world: World, asked: Question, written: Written) -> None:
    """query_sm and cancel_sm."""
    last = world.evidence.life
    failed = ESME_RCANCELFAIL if asked.command == CANCEL_SM else ESME_RQUERYFAIL
    holds(len(asked.told) <= 1, "a question is answered once", asked)
    holds(bool(asked.told) or asked.life < last, "the last gate answers every question", asked)
    holds(len(asked.arrived) <= 1, "nothing is asked twice", asked)
    if asked.told:
        (status,) = asked.told
        unanswered = ESME_RSYSERR if asked.command == CANCEL_SM else failed
        expected = (failed, ESME_RMSGQFUL) if not asked.arrived else asked.arrived
        late = bool(asked.arrived) and (asked.arrived == [IGNORED] or asked.life < last) and status == unanswered
        holds(status in expected or late, "an answer is the carrier's own", asked)
        kept = written.asked[asked.provider, asked.data] == 1
        holds(kept or world.power, "a question that was answered is written", asked)
    if not asked.own and asked.life == asked.about.life:
        holds(not asked.arrived, "nobody asks about another's message", asked)


def _cap(world: World, whose: str, messages: list[Message], most: int, written: Written) -> None:
    """What the last life still allowed lies between what was promised to count and what may count."""
    last = world.evidence.life
    earlier = [message for message in messages if message.life < last]
    counted = sum(message.counts for message in messages)
    acknowledged = sum(message.acknowledged for message in earlier)
    untold = sum(message.untold and not message.acknowledged for message in earlier)
    forgotten = sum(_forgotten(message, written) for message in messages) if world.power else 0
    refused = sum(_refused(message) for message in earlier) if world.power else 0  # written, perhaps not synced
    room = world.room[whose]
    holds(counted <= most + forgotten, f"no more than {most} reach anyone", whose, *messages)
    holds(acknowledged + room <= most, "what was acknowledged still counts", whose, room, *messages)
    holds(room >= most - acknowledged - untold - refused, "what was refused does not count", whose, room, *messages)
    left = sum(written.counts(message) for message in earlier)
    holds(room == most - left, "the record is what the journal says", whose, room, left, *messages)


def _forgotten(message: Message, written: Written) -> bool:
    """Whether all that a person may have of it was lost with the power, and nobody was told of it."""
    sent = [submit for submit in message.submits if submit.counts]
    return bool(sent) and not message.acknowledged and all(submit.serial not in written.effects for submit in sent)


def _refused(message: Message) -> bool:
    return not (message.acknowledged or message.untold) and any(submit.status in REFUSED for submit in message.submits)


def _opt_outs(world: World) -> None:
    by_person: dict[str, list[Submit]] = defaultdict(list)
    for submit in world.evidence.submits.values():
        by_person[submit.recipient].append(submit)
    for person, refusal in world.evidence.refusals.items():
        holds(refusal.confirmed <= 1 or world.power, "an opt-out is confirmed once at most", refusal)
        after = [
            submit
            for submit in by_person[person]
            if submit.provider == refusal.provider and submit.begun > refusal.acknowledged > 0
        ]
        holds(bool(after), "every opt-out is tried", refusal)
        back = world.evidence.returns.get(person)
        if back is not None:
            again = [submit for submit in after if submit.begun > back.acknowledged]
            holds(bool(again), "who asked to be written to again is", refusal)
            for submit in again:
                holds(submit.status != SUPPRESSED, "what takes an opt-out back is not forgotten", refusal, submit)
        for submit in after:
            if back is None or submit.sent <= back.asked:
                _after_opt_out(world, refusal, submit)


def _after_opt_out(world: World, refusal: Refusal, submit: Submit) -> None:
    """Whose message it is stands in its first part: without that a part may go out, and is worth nothing."""
    if submit.message.submits[0].part > 1:
        holds(submit.part > 1 or not submit.arrived, "nothing is sent after an opt-out that says whose it is", refusal, submit)
        return
    dying = submit.life < world.evidence.life  # then it may also be unanswered, or told to come again by a gate that stops
    kept = submit.status == SUPPRESSED or (dying and submit.status in (None, ESME_RMSGQFUL))
    kept = kept or (submit.replaces and submit.status == ESME_RREPLACEFAIL)
    holds(kept, "an opt-out that was acknowledged is in force", refusal, submit)
    holds(not submit.arrived, "nothing is sent after an opt-out", refusal, submit)


def _mail(world: World, written: Written) -> None:
    """Receipts and replies, the opt-outs among them: none is lost, none goes astray, whoever died when."""
    for one in world.evidence.mail:
        holds(set(one.answers) <= {0, NOT_NOW}, "a deliver is taken, or left with the carrier for now", one)
        holds(one.acknowledged > 0, "in the end every deliver is taken", one)
        holds(bool(one.got), "what is acknowledged reaches its provider", one)
        holds(set(one.got) == {one.provider}, "nobody gets another's deliver", one)
        holds(
            len(one.got) <= len(one.answers) + 2 * (world.evidence.life - 1) + world.stood,
            "a provider gets again only what a crash took",
            one,
        )
    holds(not written.waiting, "nothing is left in a mailbox", *sorted(written.waiting))


def summary(world: World) -> dict[str, int]:
    """What the world was full of: a world in which nothing happened proves nothing."""
    evidence = world.evidence
    submits = evidence.submits.values()
    earlier = [submit for submit in submits if submit.life < evidence.life]
    longs = [message for message in evidence.messages if message.long]
    parts = [{submit.status for submit in message.submits} for message in longs]
    return {
        "acknowledged": sum(submit.acknowledged for submit in earlier),
        "untold": sum(submit.status is None for submit in earlier),
        "refused": sum(submit.status == ESME_RSUBMITFAIL for submit in earlier),
        "capped": sum(submit.status == CAPPED for submit in submits),
        "opt-outs": len(evidence.refusals),
        "taken back": len(evidence.returns),
        "confirmed": sum(bool(refusal.confirmed) for refusal in evidence.refusals.values()),
        "receipts": len(evidence.receipts),
        "suppressed": sum(submit.status == SUPPRESSED for submit in submits),
        "over quota": sum(submit.status == OVER_QUOTA for submit in submits),
        "long": sum(message.whole for message in longs),
        "long, refused by the carrier": sum(statuses == {ESME_RSUBMITFAIL} for statuses in parts),
        "long, refused in part": sum({0, ESME_RSUBMITFAIL} <= statuses for statuses in parts),
        "long, unknown": sum(ESME_RSYSERR in statuses for statuses in parts),
        "long, its last part refused": sum({0, KEYWORD} <= statuses for statuses in parts),
        "to many": sum(bool(submit.group) for submit in submits),
        "to many, not to all": sum(bool(submit.group) and bool(submit.status) for submit in submits),
        "replaced": sum(submit.replaces and submit.acknowledged for submit in submits),
        "not replaced": sum(submit.replaces and submit.status == ESME_RREPLACEFAIL for submit in submits),
        "questions": sum(asked.told == [0] for asked in evidence.questions.values()),
        "questions about another's": sum(not asked.own and not asked.arrived for asked in evidence.questions.values()),
    }
