"""Falsified: a world's evidence or journal made to break one promise, for reconcile to notice.

In: a World that kept them all, a copy that may be spoilt. Out: the same with one thing changed. Never: a gate.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from proxy.journal.write_ahead_log import JournalDamaged
from tests.crash.evidence import ACCEPTED, Arrival, Mail, Message, Submit
from tests.crash.harness import SMALL
from tests.crash.reconcile import KEYWORD, SUPPRESSED
from tests.crash.world import World
from tests.e2e.pdus import ESME_RSUBMITFAIL

SEED = int(os.environ.get("GATE106_CRASH_SEED", "1"))


def _lost(world: World) -> None:
    _some(world, lambda submit: submit.acknowledged).arrived.clear()


def _other_id(world: World) -> None:
    submit = _some(world, lambda submit: submit.acknowledged)
    submit.told[0] = (0, "ffffffff")


def _uncounted(world: World) -> None:
    world.room[_some(world, lambda submit: submit.recipient in world.filled).recipient] += 1


def _burnt(world: World) -> None:
    world.room[_some(world, lambda submit: world.room[submit.recipient] > 0).recipient] -= 1


def _quota_forgotten(world: World) -> None:
    world.room[SMALL] += 1


def _sent_twice(world: World) -> None:
    submit = _some(world, lambda submit: bool(submit.arrived))
    submit.arrived.append(submit.arrived[0])


def _answered_twice(world: World) -> None:
    submit = _some(world, lambda submit: bool(submit.told))
    submit.told.append(submit.told[0])


def _sent_unwritten(world: World) -> None:
    _new(world).arrived.append(Arrival(1, ACCEPTED, "77"))


def _part_sent_unwritten(world: World) -> None:
    """Beside parts that are written, one more."""
    message = _some_message(world, lambda message: message.long and message.counts)
    world.evidence.submit(message).arrived.append(Arrival(1, ACCEPTED, "77"))


def _new(world: World) -> Submit:
    return world.evidence.submit(world.evidence.message("jia", "13600210000"))


def _sent_after_opt_out(world: World) -> None:
    _some(world, lambda submit: submit.status == SUPPRESSED).arrived.append(Arrival(2, ACCEPTED, "77"))


def _opt_out_forgotten(world: World) -> None:
    """Of who has not taken it back, and by a message that says whose it is: of others it may be so."""
    now, returns = world.evidence.life, world.evidence.returns
    submit = _some(
        world,
        lambda one: (
            one.status == SUPPRESSED and one.life == now and one.recipient not in returns and one.message.submits[0].part <= 1
        ),
    )
    submit.told[0] = (0x14, "")


def _taken_back_in_vain(world: World) -> None:
    """Of a message that was begun behind it: of one that was under way a part may be refused."""
    backs = {(back.recipient, back.provider): back.acknowledged for back in world.evidence.returns.values()}
    submit = _some(world, lambda one: one.begun > backs.get((one.recipient, one.provider), 1 << 60) and bool(one.told))
    submit.told[0] = (SUPPRESSED, "")
    submit.arrived.clear()


def _confirmed_twice(world: World) -> None:
    next(refusal for refusal in world.evidence.refusals.values() if refusal.confirmed).confirmed += 1


def _journal_altered(world: World) -> None:
    segment = min(world.harness.journal.glob("*.journal"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)


def _some(world: World, which: Callable[[Submit], bool]) -> Submit:
    return random.Random(SEED).choice([submit for submit in world.evidence.submits.values() if which(submit)])


def _receipt_lost(world: World) -> None:
    _some_mail(world).got.clear()


def _receipt_astray(world: World) -> None:
    mail = _some_mail(world)
    mail.got.append("yi" if mail.provider == "jia" else "jia")


def _some_mail(world: World) -> Mail:
    return random.Random(SEED).choice(world.evidence.mail)


def _long_counted_twice(world: World) -> None:
    """As if what the journal allowed as a message of its own had been part of another."""
    first = _some_message(world, lambda message: message.long and message.acknowledged)
    other = _some_message(world, lambda message: message.long and message.acknowledged and message is not first)
    for submit in other.submits:
        submit.message = first
    first.submits += other.submits


def _refused_whole_sent(world: World) -> None:
    """The part that made it a text with a banned word got through."""
    message = _some_message(world, _breached)
    for submit in message.submits:
        submit.arrived[:] = [Arrival(1, ACCEPTED, "77")]


def _breach_acknowledged(world: World) -> None:
    submit = next(one for one in _some_message(world, _breached).submits if one.status == KEYWORD)
    submit.told[0] = (0, "77")


def _breached(message: Message) -> bool:
    return message.long and {0, KEYWORD} <= {submit.status for submit in message.submits}


def _part_burnt(world: World) -> None:
    """The carrier refused all, and the journal has it standing."""
    message = _some_message(world, lambda message: message.long and message.acknowledged and message.life == 1)
    for submit in message.submits:
        submit.told[:] = [(ESME_RSUBMITFAIL, "")]
        submit.arrived[:] = [Arrival(1, ESME_RSUBMITFAIL, "")]


def _left_out_but_sent(world: World) -> None:
    """An address of a submit_multi that the gate refused."""
    submit = _some(world, lambda one: bool(one.group and one.status and not one.arrived))
    submit.arrived.append(Arrival(1, ACCEPTED, "77"))


def _one_of_many_lost(world: World) -> None:
    _some(world, lambda submit: bool(submit.group) and submit.acknowledged).arrived.clear()


def _replaced_in_vain(world: World) -> None:
    """The provider was told of a new text that the person never got."""
    _some(world, lambda submit: submit.replaces and submit.acknowledged).arrived.clear()


def _replacement_counted(world: World) -> None:
    """As if the new text were a message of its own: two entries where the journal has one."""
    submit = _some(world, lambda submit: submit.replaces and submit.acknowledged)
    submit.message.submits.remove(submit)
    submit.message = world.evidence.message(submit.provider, submit.recipient)
    submit.message.submits.append(submit)


def _anothers_asked(world: World) -> None:
    asked = [one for one in world.evidence.questions.values() if not one.own and one.life == one.about.life]
    random.Random(SEED).choice(asked).arrived.append(0)


def _question_unwritten(world: World) -> None:
    asked = [one for one in world.evidence.questions.values() if one.told]
    random.Random(SEED).choice(asked).data = b"another"


def _some_message(world: World, which: Callable[[Message], bool]) -> Message:
    return random.Random(SEED).choice([message for message in world.evidence.messages if which(message)])


FALSE = [
    _lost, _other_id, _uncounted, _burnt, _quota_forgotten, _sent_twice, _answered_twice, _sent_unwritten, _sent_after_opt_out,
    _opt_out_forgotten, _taken_back_in_vain, _confirmed_twice, _journal_altered, _receipt_lost, _receipt_astray,
    _part_sent_unwritten, _long_counted_twice, _refused_whole_sent, _breach_acknowledged, _part_burnt, _left_out_but_sent,
    _one_of_many_lost, _replaced_in_vain, _replacement_counted, _anothers_asked, _question_unwritten,
]  # fmt: skip

PROOF: dict[Callable[[World], None], type[Exception]] = {_journal_altered: JournalDamaged}
"""Who notices, if not reconcile itself."""
