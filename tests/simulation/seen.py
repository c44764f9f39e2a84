"""Seen: what a simulated world went through, so that one that quietly does nothing is noticed.

In: a world that has come to rest. Out: how often each kind of event came. Never: a promise checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, requests
from proxy.journal.write_ahead_log import read
from proxy.wire.tables import CANCEL_SM, ESME_RREPLACEFAIL, REPLACE_SM

if TYPE_CHECKING:
    from tests.simulation.world import World


def seen(world: World) -> dict[str, int]:
    return {
        "killed": world.deaths["killed"],
        "power lost": world.deaths["power lost"],
        "clock set forward": world.steps["forward"],
        "clock set back": world.steps["back"],
        "opt-out": sum(n for (_, _, kind), n in world.people.acknowledged.items() if kind == "optout"),
        "restore": sum(n for (_, _, kind), n in world.people.acknowledged.items() if kind == "restore"),
        "restored something": sum(bool(one.lifted) for one in world.on_disk().restored),
        "refused an advertiser": sum(one.opt_out.scope == "advertiser" for one in world.on_disk().refusals),
        "refused a port": sum(one.opt_out.scope == "port" for one in world.on_disk().refusals),
        "a declared word": sum(one.keyword == "QXDY" for one in world.on_disk().refusals),
        "widened": sum(one.opt_out.scope == "category" for one in world.on_disk().refusals),
        "confirmed": sum(world.people.confirmations.values()),
        "accepted": sum(s.told == 0 for s in world.submits),
        "refused by the carrier": sum(s.told == 0x45 for s in world.submits),
        "reserved": sum(s.told == 0x06 for s in world.submits),
        "answered malformed": sum(sum(carrier.told_malformed.bad_pdus.values()) for carrier in world.carriers),
        "unknown": sum(s.told == 0x08 for s in world.submits),
        "capped": sum(s.told == 0x410 for s in world.submits),
        "suppressed": sum(s.told == 0x420 for s in world.submits),
        "quota": sum(s.told == 0x470 for s in world.submits),
        "long, complete": world.tally.long_messages["complete",],
        "long, incomplete": world.tally.long_messages["incomplete",],
        "part inherits": world.tally.long_messages["inherited",],
        "late breach": world.tally.long_messages["late-breach",],
        "sent to many": sum(
            s.told is not None for world_bind in world.binds.values() for group in world_bind.groups.values() for s in group
        ),
        "data_sm": sum(s.frame[6:8] == b"\1\3" and s.told == 0 for s in world.submits),
        "refused again": sum(
            unpack(requests.Repeated, one.body).counts != {} for one in read(world.disk, 1) if one.kind == messages.REPEATED
        ),
        "adopted": sum(s.replaced for s in world.submits),
        "replaced": sum(one.command == REPLACE_SM and one.told == 0 for one in world.asking.questions),
        "replaced twice": sum(len(some) > 1 for some in world.asking.replacements.values()),
        "carrier refuses to replace": len(world.on_disk().unreplaced),
        "replacement unknown": sum(one.command == REPLACE_SM and one.told == 8 for one in world.asking.questions),
        "replacement against a rule": sum(one.told in (0x420, 0x450) for one in world.asking.questions),
        "not known any more": sum(
            one.owns_message and not one.known and one.told == ESME_RREPLACEFAIL for one in world.asking.questions
        ),
        "another's": sum(one.known and not one.owns_message and bool(one.told) for one in world.asking.questions),
        "cancelled": sum(one.command == CANCEL_SM and one.told == 0 for one in world.asking.questions),
        "ids in two bases": sum(carrier.receipt_id != "same" for carrier in world.carriers),
        "two carriers": len(world.carriers) - 1,
        "delivered": sum(d.got > 0 for d in world.delivers),
        "delivered twice": sum(d.got > 1 for d in world.delivers),
        "refused by the provider": sum(d.refused for d in world.delivers),
        "left with the carrier": world.mail.returned,
        "nobody's": sum(not d.owner for d in world.delivers),
        **{f"disk: {kind}": world.disk_failures[kind] for kind in ("full", "read-only", "sync fails")},
        **world.operators.seen,
        **world.agreeing.seen,
        **world.meaning.seen,
        "power lost before a sync": sum(s.forgiven for s in world.submits),
    }
