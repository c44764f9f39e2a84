"""Reconcile: whether every promise was kept, from what both sides saw, what the last life allowed, and the journal.

In: a World that has run. Out: nothing, or Broken with the promise and the evidence. Never: a gate.
"""

from __future__ import annotations

from collections import defaultdict

from typer.testing import CliRunner

from proxy.__main__ import app as commands
from proxy.changes import Effect
from proxy.desk import entries, mail
from proxy.desk.journal import OsDisk, read
from tests.crash.evidence import ACCEPTED, IGNORED, Submit
from tests.crash.house import CAP, QUOTA, SMALL
from tests.crash.peers import NOT_NOW, serial_of
from tests.crash.world import OVER, World
from tests.e2e.pdus import ESME_RMSGQFUL, ESME_RSUBMITFAIL, ESME_RSYSERR, read_message

CAPPED, SUPPRESSED, OVER_QUOTA = OVER["recipient-cap"], OVER["not-permitted"], OVER["provider-quota"]

EVIDENCE_MAX = 12
"""Values shown of what breaks a promise."""


class Broken(AssertionError):
    """A promise was not kept."""


def holds(kept: bool, promise: str, *evidence: object) -> None:
    if not kept:
        raise Broken(f"{promise}: {'; '.join(map(str, evidence[:EVIDENCE_MAX]))}")


class Written:
    """What the journal says: serials of allowed submits, and what became of each."""

    def __init__(self, world: World) -> None:
        serial: dict[int, int] = {}
        self.waiting: set[int] = set()
        """Delivers of the journal that nobody acknowledged or dropped."""
        self.allowed: dict[int, Effect | None] = {}
        for record in read(OsDisk(world.house.journal)):
            if record.kind == entries.VERDICT:
                said = entries.unpack_verdict(record.body)
                if said.entry is not None:
                    holds(said.entry.id not in serial, "no entry's id is given twice", said)
                    serial[said.entry.id] = number = serial_of(read_message(said.data).short_message)
                    holds(number not in self.allowed, "a submit is allowed once", number)
                    self.allowed[number] = None
            for told in entries.unpack_answers(record):
                self.allowed[serial[told.entry_id]] = Effect(told.effect)
            if record.kind == entries.DELIVER:
                self.waiting.add(record.sequence)
            elif record.kind == entries.DELIVERED:
                self.waiting.difference_update(mail.unpack_delivered(record.body).numbers)
            elif record.kind == entries.DROPPED:
                self.waiting.difference_update(mail.unpack_dropped(record.body).numbers)

    def counts(self, submit: Submit) -> bool:
        effect = self.allowed.get(submit.serial, Effect.TAKEN_BACK)
        return effect is None or not effect.takes_back


def reconcile(world: World) -> None:
    """Raises Broken."""
    written = Written(world)
    submits = list(world.evidence.submits.values())
    holds(not world.evidence.surprises, "every answer belongs to a submit", *world.evidence.surprises)
    for submit in submits:
        _each(world, submit, written)
    _opt_outs(world, submits)
    _mail(world, written)
    by_person: dict[str, list[Submit]] = defaultdict(list)
    for submit in submits:
        by_person[submit.recipient].append(submit)
    for person in world.filled:
        _cap(world, person, by_person[person], CAP, written)
    _cap(world, SMALL, [submit for submit in submits if submit.provider == SMALL], QUOTA, written)
    done = CliRunner().invoke(commands, ["journal", "verify", str(world.house.journal)])
    holds(done.exit_code == 0 and "the chain holds" in done.output, "the journal's chain holds", done.output)


def _each(world: World, submit: Submit, written: Written) -> None:
    fates = [arrival.fate for arrival in submit.arrived]
    status = submit.status
    holds(len(fates) <= 1, "nothing is sent to the carrier twice", submit)
    holds(len(submit.told) <= 1, "a submit is answered once", submit)
    holds(status is not None or submit.life < world.evidence.life, "the last gate answers everything", submit)
    if fates:
        holds(submit.serial in written.allowed or world.power, "what is sent was written before", submit)
    if submit.acknowledged:
        holds(fates == [ACCEPTED], "what is acknowledged was accepted by the carrier", submit)
        holds(submit.told[0][1] == submit.arrived[0].id, "the id is the carrier's", submit)
        holds(written.counts(submit), "what is acknowledged has its entry in the journal", submit)
    elif status == ESME_RSUBMITFAIL:
        holds(fates == [ESME_RSUBMITFAIL], "a refusal is the carrier's own", submit)
        holds(world.power or not written.counts(submit), "a refusal that was told is written", submit)
    elif status == ESME_RSYSERR:
        holds(fates == [IGNORED] or submit.life < world.evidence.life, "only what is unanswered is unknown", submit)
    elif status in (CAPPED, SUPPRESSED, OVER_QUOTA, ESME_RMSGQFUL):
        holds(not fates, "what the gate refuses never reaches the carrier", submit)
    elif status is not None:
        holds(False, "no status nobody expects", submit)


def _cap(world: World, whose: str, submits: list[Submit], most: int, written: Written) -> None:
    """What the last life still allowed lies between what was promised to count and what may count."""
    last = world.evidence.life
    earlier = [submit for submit in submits if submit.life < last]
    counted = sum(submit.counts for submit in submits)
    acknowledged = sum(submit.acknowledged for submit in earlier)
    untold = sum(submit.status in (None, ESME_RSYSERR) for submit in earlier)
    forgotten = sum(submit.serial not in written.allowed and not submit.acknowledged for submit in submits if submit.counts)
    refused = sum(submit.status == ESME_RSUBMITFAIL for submit in earlier) if world.power else 0  # written, perhaps not synced
    room = world.room[whose]
    holds(counted <= most + (forgotten if world.power else 0), f"no more than {most} reach anyone", whose, *submits)
    holds(acknowledged + room <= most, "what was acknowledged still counts", whose, room, *submits)
    holds(room >= most - acknowledged - untold - refused, "what was refused does not count", whose, room, *submits)
    entries_left = sum(written.counts(submit) for submit in earlier)
    holds(room == most - entries_left, "the record is what the journal says", whose, room, entries_left, *submits)


def _opt_outs(world: World, submits: list[Submit]) -> None:
    for person, refusal in world.evidence.refusals.items():
        holds(refusal.confirmed <= 1 or world.power, "an opt-out is confirmed once at most", refusal)
        after = [
            submit
            for submit in submits
            if submit.recipient == person and submit.provider == refusal.provider and submit.sent > refusal.acknowledged > 0
        ]
        holds(bool(after), "every opt-out is tried", refusal)
        back = world.evidence.returns.get(person)
        if back is not None:
            again = [submit for submit in after if submit.sent > back.acknowledged]
            holds(bool(again), "who asked to be written to again is", refusal)
            for submit in again:
                holds(submit.status != SUPPRESSED, "what takes an opt-out back is not forgotten", refusal, submit)
        for submit in after:
            if back is not None and submit.sent > back.asked:
                continue
            dying = (
                submit.life < world.evidence.life
            )  # then it may also be unanswered, or told to come again by a gate that stops
            kept = submit.status == SUPPRESSED or (dying and submit.status in (None, ESME_RMSGQFUL))
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
            len(one.got) <= len(one.answers) + 2 * (world.evidence.life - 1),
            "a provider gets again only what a crash took",
            one,
        )
    holds(not written.waiting, "nothing is left in a mailbox", *sorted(written.waiting))


def summary(world: World) -> dict[str, int]:
    """What the world was full of: a world in which nothing happened proves nothing."""
    submits = world.evidence.submits.values()
    earlier = [submit for submit in submits if submit.life < world.evidence.life]
    return {
        "acknowledged": sum(submit.acknowledged for submit in earlier),
        "untold": sum(submit.status is None for submit in earlier),
        "refused": sum(submit.status == ESME_RSUBMITFAIL for submit in earlier),
        "capped": sum(submit.status == CAPPED for submit in submits),
        "opt-outs": len(world.evidence.refusals),
        "taken back": len(world.evidence.returns),
        "confirmed": sum(bool(refusal.confirmed) for refusal in world.evidence.refusals.values()),
        "receipts": len(world.evidence.receipts),
        "suppressed": sum(submit.status == SUPPRESSED for submit in submits),
        "over quota": sum(submit.status == OVER_QUOTA for submit in submits),
    }
