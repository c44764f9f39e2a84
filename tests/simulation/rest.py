"""Rest: what must hold once nothing is on its way any more.

In: a world that has come to rest. Out: nothing, or Broken. Never: a change to the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from proxy.journal.write_ahead_log import read
from proxy.model.recipient import EntryState
from proxy.relay.effects.replay import replay, settle_open
from proxy.state.counters.aggregates import Aggregates
from proxy.state.mailbox.mailbox import UNOWNED
from tests.simulation.nouns import CAREFUL, PEOPLE, Broken
from tests.simulation.store import SimStore, counted, refusals, states

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_at_rest(world: World) -> None:
    if not world.relay.idle:
        raise Broken("something is still on its way at rest")
    for bind in world.binds.values():
        for submit in bind.asked.values():
            if submit.told is None:
                raise Broken(f"submit {submit.number} was never answered")
        if bind.unanswered:
            raise Broken(f"{bind.unanswered} submits count as unanswered at rest")
    world.asking.check_at_rest()
    for lane in (carrier.lane for carrier in world.carriers):
        if any(lane.held) or lane.apart:
            raise Broken(f"places of the lane are still held: {lane.held}, {lane.apart} by other commands")
    if world.tally.sent_against_record:
        raise Broken(f"{world.tally.sent_against_record} messages went to people after they had refused")
    world.meaning.check_at_rest()
    check_delivers(world)
    check_records(world)


def check_delivers(world: World) -> None:
    for deliver in world.delivers:
        if not deliver.acknowledged:
            raise Broken(f"deliver {deliver.number} was never acknowledged")
        if deliver.owner and not deliver.got and not deliver.refused:
            raise Broken(f"deliver {deliver.number} was acknowledged and never reached {deliver.owner}")
    if any(box.count for name, box in world.store.mailbox.boxes.items() if name != UNOWNED):
        raise Broken("something is left in a mailbox at rest")
    check_records(world)
    world.longs.check_at_rest()


def stands_in(world: World, live: Mapping[int, object], entry: int) -> bool:
    """Whether a message counts as one that was to stand in for it, was written, and never left, because the gate was killed."""
    adopts = world.on_disk().adopts
    for other in live:
        while other not in world.by_entry and (other := adopts.get(other, 0)):
            if other == entry:
                return True
    return False


def check_records(world: World) -> None:
    """The records say what happened, and a replay of the whole journal says the same."""
    fresh = SimStore(world, {}, Aggregates(), 0)
    settle_open(cast("Any", fresh), replay(cast("Any", fresh), read(world.disk, 1), 0))
    if {item.number for item in fresh.mailbox.items()} != {item.number for item in world.store.mailbox.items()}:
        raise Broken("a replay of the journal gives another mailbox")
    world.operators.check_at_rest(fresh)
    world.agreeing.check_at_rest(fresh)
    for person in (*PEOPLE, *CAREFUL):
        live = states(world.store.records.get(person))
        if refusals(fresh.records.get(person)) != refusals(world.store.records.get(person)):
            raise Broken(f"a replay of the journal gives other refusals for {person}")
        if states(fresh.records.get(person)) != live:
            raise Broken(f"a replay of the journal gives {states(fresh.records.get(person))} for {person}, not {live}")
        for submit in world.submits:
            if submit.recipient != person or not submit.reached_carrier or submit.forgiven or submit.replaced:
                continue
            if submit in world.asking.replacements:
                world.asking.check_entries(submit, live)
                continue
            if submit.entry not in live and stands_in(world, live, submit.entry):
                continue
            taken_back = all(other.taken_back for other in world.by_entry[submit.entry])
            if taken_back == (submit.entry in live):
                word = "still counts" if taken_back else "is not counted"
                raise Broken(f"submit {submit.number} {word} at rest (the carrier said {submit.carrier_said})")
            # a power loss may take the carrier's answer, which is written, not synced: then the entry is unknown again, and counts
            acknowledged = all(other.told == 0 for other in world.longs.sharing(submit))
            if acknowledged and live[submit.entry] == EntryState.UNKNOWN and submit.entry in world.on_disk().accepted:
                raise Broken(f"submit {submit.number} was acknowledged, its entry says {live[submit.entry]}")
    if counted(fresh.counters) != counted(world.store.counters):
        raise Broken("a replay of the journal gives other aggregates")
