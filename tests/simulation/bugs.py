"""Seeded bugs: each breaks one promise in one place, as a plausible mistake would. The simulation must find every one."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from proxy.journal.encoding import unpack
from proxy.journal.records import consents, messages, operator_actions
from proxy.journal.write_ahead_log import read
from proxy.model.recipient import Entry, EntryState, OptOut
from proxy.policy.replies.optout import Reply
from proxy.relay.effects.consents import ConsentImport, PersonChange
from proxy.relay.effects.list_import import ListImport
from proxy.relay.effects.optouts import Confirmation, ReplyEffect, all_taken_back, lift, refusals, refuse
from proxy.relay.effects.record_changes import Effect, EntryFate
from proxy.relay.effects.suppression import SuppressionChange
from proxy.relay.message_index import SentIndex
from proxy.relay.optout_reply import OptOutSettings
from proxy.relay.pending_submit import Outbox, PendingSubmit
from proxy.relay.replace_sm import Restore
from proxy.relay.submit_multi import MultiMember
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.record import record
from proxy.state.record.optout_candidates import Candidates, find_candidates, likely_candidates
from proxy.wire import Frame, submit_sm_resp
from proxy.wire.tables import CANCEL_SM
from tests.simulation.world import World


def acknowledged_before_synced(world: World) -> None:
    """The provider's answer does not wait for the sync."""

    class Hasty(Outbox):
        def release(self, synced: int, told: list[PendingSubmit]) -> None:
            super().release(1 << 62, told)

    world.relay.commit.outbox = Hasty()


def sent_before_written(world: World) -> None:
    """The frame goes to the carrier while the commit group is still in memory."""
    journal = world.journal
    write = journal.write
    cast("Any", journal).write = lambda now: world.later(0.002, lambda: write(now))


def take_back_lost(world: World) -> None:
    """The carrier's refusal does not give the person's allowance back."""
    _patch_answers(world, lambda answer: setattr(answer, "apply", lambda data, now: data), Effect.TAKEN_BACK)


def take_back_not_written(world: World) -> None:
    """The take-back is made in memory and never journalled."""
    relay = world.relay
    answered = relay.answered

    def answer(transit: Any, frame: Any) -> None:
        answered(transit, frame)
        change = relay.batching.changes[-1] if relay.batching.changes else None
        if isinstance(change, EntryFate) and change.effect is Effect.TAKEN_BACK:
            relay.batching.changes[-1] = cast("Any", _Silent(change))

    cast("Any", relay).answered = answer


class _Silent:
    def __init__(self, change: EntryFate | SuppressionChange | PersonChange) -> None:
        self.recipient, self.apply, self._change = change.recipient, change.apply, change

    def written(self, now: float) -> None:
        return None

    def done(self, recorded: int) -> None:
        self._change.done(recorded)

    def unwritten(self) -> bool:
        return False


def swap_result_ignored(world: World) -> None:
    """A refused swap counts as taken."""
    swap = world.store.swap

    async def always(items: Any) -> list[bool]:
        await swap(items)
        return [True] * len(items)

    cast("Any", world.store).swap = always


def opt_out_acknowledged_before_synced(world: World) -> None:
    """The carrier hears that a refusal is safe while it is only written."""
    relay = world.relay
    when_synced = relay.when_synced
    cast("Any", relay).when_synced = lambda sequence, do: when_synced(0, do)


def unknown_taken_back(world: World) -> None:
    """No answer is read as a refusal: the person may get one more."""

    def forget(answer: Any) -> None:
        answer._effect_of = Effect.TAKEN_BACK

    _patch_answers(world, forget, Effect.UNKNOWN)


def late_answer_forwarded(world: World) -> None:
    """The provider is told a second time when the answer comes after all."""
    relay = world.relay
    cast("Any", relay).answered_late = relay.answered


def ids_start_again(world: World) -> None:
    """After a restart entries are numbered from one."""
    world.relay.admission.highest_id = 1


def unsuccess_sme_ignored(world: World) -> None:
    """Who was not reached by a submit_multi counts as reached: its answer's status is read, its list is not."""
    relay = world.relay
    answered = relay.answered

    def answer(transit: Any, frame: Any) -> None:
        if isinstance(transit, MultiMember) and frame.command_status:
            frame = Frame.of(submit_sm_resp(frame.sequence_number, 0, b"c"))
        answered(transit, frame)

    cast("Any", relay).answered = answer


def receipt_before_the_answer_to_many(world: World) -> None:
    """A provider's delivers do not wait while a submit_multi of theirs is answered by the carrier and not by us."""

    class Deaf(Counter[str]):
        def __setitem__(self, provider: str, count: int) -> None:
            super().__setitem__(provider, 0)

    world.relay.partly_answered = Deaf()


def place_of_a_group_leaked(world: World) -> None:
    """Those who leave in one PDU keep a place in the lane each."""
    for carrier in world.carriers:

        def keep(category: Any, release: Any = carrier.lane.release) -> None:
            if sys._getframe(1).f_code.co_name != "_judged":
                release(category)

        cast("Any", carrier.lane).release = keep


def place_leaked(world: World) -> None:
    """A submit whose swap was refused keeps its place in the lane."""
    relay = world.relay
    put_back = relay.admission.put_back

    def keep(transit: Any) -> None:
        if transit.lane is not None:
            transit.lane.hold(transit.category)
        put_back(transit)

    cast("Any", relay.admission).put_back = keep


def aggregates_not_given_back(world: World) -> None:
    """A refusal gives the person's allowance back, the provider's not."""
    cast("Any", world.relay.admission).give_back = lambda transit: None


def sent_again_after_link_loss(world: World) -> None:
    """What was in flight when the link went is sent once more when it returns."""
    relay = world.relay
    unanswered = relay.unanswered

    def again(transit: Any) -> None:
        unanswered(transit)
        if transit.lane.hold(transit.category):
            transit.enter_lane()

    cast("Any", relay).unanswered = again


def opt_out_lost_in_replay(world: World) -> None:
    """A restart forgets refusals."""
    for person, (version, data) in list(world.store.records.items()):
        if world.restarts:
            world.store.records[person] = (version, _without_opt_outs(data))


def _without_opt_outs(data: bytes) -> bytes:
    bare = record.EMPTY
    for entry in record.entries(data):
        bare = record.add(bare, entry, entry.time, 86_400)
    return bare


def opt_out_of_the_wrong_person(world: World) -> None:
    """The refusal lands in the record of the neighbour."""
    relay = world.relay
    change = relay.change

    def misplace(what: Any) -> None:
        if isinstance(what, ReplyEffect):
            what.recipient += 1
        change(what)

    cast("Any", relay).change = misplace


def _spoil_changes(world: World, kind: type, spoilt: type) -> None:
    """Every change of this kind behaves like another class."""
    relay = world.relay
    change = relay.change

    def spoil(what: Any) -> None:
        if type(what) is kind:
            what.__class__ = spoilt
        change(what)

    cast("Any", relay).change = spoil


class _Deaf(ReplyEffect):
    """Takes nothing back from the record, though it says so."""

    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        after = super().apply(data, now)
        return data if self.kind == "restore" else after


def restore_not_applied(world: World) -> None:
    """Who takes a refusal back is journalled, acknowledged, and left alone all the same."""
    _spoil_changes(world, ReplyEffect, _Deaf)


class _Hushed(ReplyEffect):
    __slots__ = ()

    def written(self, now: float) -> tuple[int, bytes | tuple[bytes, ...]] | None:
        return None if self.kind == "restore" else super().written(now)


def restore_not_written(world: World) -> None:
    """A restore is made in memory and never journalled."""
    _spoil_changes(world, ReplyEffect, _Hushed)


class _Careless(ReplyEffect):
    """Does not look which message asked for the word: the newest one is meant."""

    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        super().apply(data, now)
        if self.kind != "optout":
            return super().apply(data, now)
        self.opt_outs = refusals(
            likely_candidates(find_candidates(record.entries(data), self.to.port, lambda hashed: None, now), 0, now),
            self.to,
            "reply",
            now,
        )
        return refuse(data, self.opt_outs, self.port)


def declared_keyword_ignored(world: World) -> None:
    """A refusal stops the newest advertiser, whoever asked for the word."""
    _spoil_changes(world, ReplyEffect, _Careless)


class _PortAlone(ReplyEffect):
    __slots__ = ()

    def _refused(self, data: bytes, found: Candidates, said: Reply, now: float) -> tuple[OptOut, ...]:
        return refusals((), self.to, "reply", now)


def only_the_port_is_stopped(world: World) -> None:
    """Where two advertisers may be meant, the port is refused, and both go on through the next provider."""

    class Ambiguous(ReplyEffect):
        __slots__ = ()

        def _refused(self, data: bytes, found: Candidates, said: Reply, now: float) -> tuple[OptOut, ...]:
            alone = len({one.signature for one in found.entries}) == 1
            return (ReplyEffect if alone else _PortAlone)._refused(self, data, found, said, now)

    _spoil_changes(world, ReplyEffect, Ambiguous)


class _Newest(ReplyEffect):
    __slots__ = ()

    def _meant(self, found: Candidates, said: Reply, now: float) -> tuple[Entry, ...]:
        return super()._meant(found, said, now)[:1]


def only_the_newest_is_meant(world: World) -> None:
    """Of what came within some minutes only the last is refused."""
    _spoil_changes(world, ReplyEffect, _Newest)


class _SureOnly(ReplyEffect):
    __slots__ = ()

    def _meant(self, found: Candidates, said: Reply, now: float) -> tuple[Entry, ...]:
        arrived = tuple(one for one in found.entries if one.state != EntryState.UNKNOWN)
        return super()._meant(found._replace(entries=arrived), said, now)


def what_is_unknown_never_came(world: World) -> None:
    """A message that was not answered is nobody's to refuse."""
    _spoil_changes(world, ReplyEffect, _SureOnly)


class _VeryPort(ReplyEffect):
    __slots__ = ()

    def _refused(self, data: bytes, found: Candidates, said: Reply, now: float) -> tuple[OptOut, ...]:
        if found.at_port or said.everything:
            return super()._refused(data, found, said, now)
        return (OptOut("port", self.port, int(now), "reply", 0),)


def only_the_very_port_counts(world: World) -> None:
    """A reply to a shorter or longer port than the message's finds nothing it may answer: that port is stopped."""
    _spoil_changes(world, ReplyEffect, _VeryPort)


def malformed_answers_passed_on(world: World) -> None:
    """A carrier's answer reaches the provider as it came."""
    for carrier in world.carriers:
        cast("Any", carrier.passing)._allowed = lambda transit, frame: frame


def reserved_values_pass(world: World) -> None:
    """What a strict carrier closes the link for is sent to it."""
    for access in world.relay.directory.accesses.values():
        access.refuses_reserved = False


def receipts_keep_the_country_code(world: World) -> None:
    """Replies to a port with 86 find its owner, receipts do not."""
    way = world.deliver_relay
    route = way.route

    def routed(link: Any, destination: bytes, routes: Any) -> Any:
        cast("Any", way)._port = lambda link, port: port
        try:
            return route(link, destination, routes)
        finally:
            del cast("Any", way)._port

    cast("Any", way).route = routed


def country_code_kept(world: World) -> None:
    """86 before a port makes it another port, which nobody owns."""
    cast("Any", world.relay.directory.ports).national = lambda port: port
    _spoil_changes(world, ReplyEffect, _VeryPort)


class _Nobodys(ReplyEffect):
    __slots__ = ()

    def _refused(self, data: bytes, found: Candidates, said: Reply, now: float) -> tuple[OptOut, ...]:
        if said.everything or found.entries or self.provider:
            return super()._refused(data, found, said, now)
        return (OptOut("port", self.port, int(now), "reply", 0),)


def a_port_of_nobody_is_a_port(world: World) -> None:
    """Who writes to the carrier's own number stops what comes from that number: nothing."""
    _spoil_changes(world, ReplyEffect, _Nobodys)


class _OneProvider(ReplyEffect):
    __slots__ = ()

    def _refused(self, data: bytes, found: Candidates, said: Reply, now: float) -> tuple[OptOut, ...]:
        opt_outs = super()._refused(data, found, said, now)
        return tuple(one._replace(scope="provider", value=self.provider) if self.provider else one for one in opt_outs)


def stopped_at_one_provider(world: World) -> None:
    """A refusal ends where the next provider begins."""
    _spoil_changes(world, ReplyEffect, _OneProvider)


class _NotAll(ReplyEffect):
    __slots__ = ()

    def _refused(self, data: bytes, found: Candidates, said: Reply, now: float) -> tuple[OptOut, ...]:
        return super()._refused(data, found, said._replace(everything=False), now)


def everything_is_one_advertiser(world: World) -> None:
    """Who stops everything stops whoever wrote last."""
    _spoil_changes(world, ReplyEffect, _NotAll)


class _Anywhere(ReplyEffect):
    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        after = super().apply(data, now)
        if self.kind != "restore":
            return after
        self.lifted = all_taken_back(data)
        return lift(data, self.lifted, int(now))


def restored_by_any_port(world: World) -> None:
    """START at one port ends what replies to others stopped."""
    _spoil_changes(world, ReplyEffect, _Anywhere)


def never_widened(world: World) -> None:
    """The settings' number of refusals is not looked at."""
    world.reply_handler.settings = OptOutSettings(0, 30, world.reply_handler.settings.confirm)


class _Chatty(Confirmation):
    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        after = super().apply(data, now)
        self.due = True
        return after


def confirmed_every_time(world: World) -> None:
    """Each refusal is confirmed, however often it comes."""
    _spoil_changes(world, Confirmation, _Chatty)


def restore_lost_in_replay(world: World) -> None:
    """A restart forgets that refusals were taken back."""
    if world.restarts:
        for one in world.on_disk().restored:
            for lifted in one.lifted:
                world.store.update(one.recipient, lambda data, out=lifted: record.opt_out(data, out))  # type: ignore[misc]


def handed_before_synced(world: World) -> None:
    """A deliver that is only written goes to the provider."""
    way = world.deliver_relay
    put, put_all = way.mailbox.put, way.mailbox.put_all

    def put_ready(*what: Any) -> Any:
        item = put(*what)
        way.mailbox.ready(item)
        way.due.add(item.box.provider)
        return item

    def put_all_ready(number: int, items: Any) -> None:
        put_all(number, items)
        way.mailbox.ready_all(items)
        way.due.update(item.box.provider for item in items)

    cast("Any", way.mailbox).put, cast("Any", way.mailbox).put_all = put_ready, put_all_ready


def receipt_overtakes_the_answer(world: World) -> None:
    """Delivers do not wait behind what providers are told."""
    relay = world.relay
    cast("Any", relay).when_synced = lambda sequence, do: relay.commit.outbox.appendleft((sequence, do))


def lost_bind_forgotten(world: World) -> None:
    """What a lost bind had not answered counts as in its hand for ever."""
    cast("Any", world.deliver_relay).lost = lambda items: None


def not_now_is_never(world: World) -> None:
    """A provider that asks for a little patience does not get it."""
    mailbox = world.deliver_relay.mailbox
    cast("Any", mailbox).refused = lambda item, now: mailbox.drop(item, "refused")


def delivered_not_written(world: World) -> None:
    """The provider's acknowledgement stays in memory: a restart delivers all of it again."""
    way = world.deliver_relay
    cast("Any", way).delivered_all = way.mailbox.delivered_all


def mailbox_not_in_the_checkpoint(world: World) -> None:
    """The file keeps the position and not the mailbox."""
    cast("Any", world.store.mailbox).collect = lambda most: []


def checkpoint_keeps_what_went(world: World) -> None:
    """What was delivered stays in the file."""
    mailbox = world.store.mailbox
    collect = mailbox.collect

    def only_new(most: int) -> list[tuple[int, bytes]]:
        rows = collect(most)
        while rows and not (kept := [row for row in rows if row[1]]):
            rows = collect(most)
        return kept if rows else []

    cast("Any", mailbox).collect = only_new


def neighbours_deliver(world: World) -> None:
    """The owner of a port is looked up without its last digit."""
    ports = world.relay.directory.ports
    longest = ports.longest
    cast("Any", ports).longest = lambda port: longest("1069001" + port[7:])


def carrier_waits_for_the_disk(world: World) -> None:
    """A deliver that cannot be made safe in time is not given back."""
    way = world.deliver_relay
    cast("Any", way).tick = lambda now: way.due.update(way.mailbox.tick(now))


def an_entry_for_each_part(world: World) -> None:
    """Parts of a long message are judged one by one, and each counts."""
    parts = world.relay.parts
    parts.bounds = parts.bounds._replace(remembered_s=0.0, in_order=False)
    cast("Any", parts._assembler).arrive = lambda transit, now_s, anew=False: parts._assembler.beside(transit, now_s)


def a_later_part_leaves_first(world: World) -> None:
    """It is judged on what is there, and nobody asks for the first part."""
    world.relay.parts.bounds = world.relay.parts.bounds._replace(in_order=False)


def late_text_not_read(world: World) -> None:
    """A part that comes later goes out whatever the text has become."""
    cast("Any", world.relay.parts)._ask_again = lambda *asked: None


def one_refused_part_gives_all_back(world: World) -> None:
    """The carrier's refusal of one part takes the message's entry back, though the other parts went out."""
    parts = world.relay.parts

    def answered(transit: Any, status: int, *, late: bool) -> Effect:
        return Effect.of(status, late=late, adopts=False)

    cast("Any", parts).answered = answered


def parts_wait_for_ever(world: World) -> None:
    """Nobody looks at the time for parts whose siblings do not come."""
    cast("Any", world.relay).due = lambda now_s: None


def late_parts_with_the_status_of_the_first(world: World) -> None:
    """What the provider is told of a late part is what it was told of the first one."""
    parts = world.relay.parts
    inherit = parts._inherit

    def share(long: Any, leader: Any, transit: Any, data: bytes, now: float) -> bytes:
        after = inherit(long, leader, transit, data, now)
        transit.status = transit.status or leader.status
        return after

    cast("Any", parts)._inherit = share


def replaced_counts_twice(world: World) -> None:
    """The entry of the old text stays beside that of the new one."""
    admission = world.relay.admission
    cast("Any", admission).in_place = lambda transit, data, old, now: admission.judge(transit, data, now, old)


def replacement_asks_nobody(world: World) -> None:
    """A new text is judged as if nothing were known of the person."""
    admission = world.relay.admission
    in_place = admission.in_place

    def forget(transit: Any, data: bytes, old: Any, now: float) -> bytes:
        bare = record.add(record.EMPTY, old, old.time, 86_400)
        in_place(transit, bare, old, now)
        return (
            data if transit.lane is None else record.add_packed(record.remove(data, old.id), transit.packed, old.time, 86_400)
        )

    cast("Any", admission).in_place = forget


def replacement_takes_a_quota_again(world: World) -> None:
    """What the old text took from aggregates is not left out when the new one is judged."""
    index = world.commands.index
    find = index.find

    def bare(message_id: bytes) -> Any:
        found = find(message_id)
        return found and found._replace(takes=())

    cast("Any", index).find = bare


class _Anybodys(int):
    """A port that is like every other."""

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


def anothers_message(world: World) -> None:
    """Whose a message is, that is known by its id, is not looked at."""
    index = world.commands.index
    find = index.find

    def anybodys(message_id: bytes) -> Any:
        found = find(message_id)
        return found and found._replace(port=_Anybodys(found.port))

    cast("Any", index).find = anybodys


def refused_replacement_stays(world: World) -> None:
    """The carrier's refusal does not bring the old text's entry back."""
    _spoil_changes(world, Restore, type("Spoilt", (Restore,), {"apply": lambda self, data, now: data}))


def refused_replacement_not_written(world: World) -> None:
    """It brings it back in memory, and the journal never hears of it."""
    _spoil_changes(world, Restore, type("Spoilt", (Restore,), {"written": lambda self, now: None}))


def second_replacement_fails(world: World) -> None:
    """The index keeps the entry of the text that was replaced."""
    cast("Any", world.commands.index).rename = lambda message_id, entry_id, takes, scheduled: None


def index_forgets(world: World) -> None:
    """A restart knows no id, though the journal has what was accepted."""
    if world.restarts:
        world.commands.index = SentIndex([carrier.name for carrier in world.carriers])
        world.commands._keep_index(lambda: world.now)


def cancelled_given_back(world: World) -> None:
    """Who cancels a message gets the person's allowance back: a way around every cap."""
    tell = world.commands._settle

    def forget(question: Any, reason: str, status: int, body: bytes) -> None:
        if question.frame.command_id == CANCEL_SM and not status:
            sent = world.commands.index.find(question.queried.message_id)
            if sent is not None:
                world.store.update(sent.recipient, lambda data: record.remove(data, sent.entry_id))
        tell(question, reason, status, body)

    cast("Any", world.commands)._settle = forget


def asked_of_the_first_carrier(world: World) -> None:
    """The code before an id is taken off and not read."""
    commands = world.commands
    if world.coded:
        commands._carrier_of = lambda message_id: ("bj", message_id[2:])


def id_as_the_provider_knows_it(world: World) -> None:
    """The carrier is asked about a coded id."""
    commands = world.commands
    carrier_of = commands._carrier_of

    def told(message_id: bytes) -> Any:
        found = carrier_of(message_id)
        return found and (found[0], message_id)

    commands._carrier_of = told


def receipts_as_they_come(world: World) -> None:
    """Receipts name the carrier's own id."""
    cast("Any", world.deliver_relay).ids = {}


def code_of_another_carrier(world: World) -> None:
    """All receipts get the code of the first carrier."""
    way = cast("Any", world.deliver_relay)
    way.ids = dict.fromkeys(way.ids, next(iter(way.ids.values()), None))


def zeros_lost_in_a_restart(world: World) -> None:
    """How answers write their numbers is journalled, and not read again."""
    if world.restarts:
        for ids in world.ids.of.values():
            ids._width = 0


def zeros_lost_in_a_checkpoint(world: World) -> None:
    """What was learnt before the place where a checkpoint stands is not said again behind it."""
    cast("Any", world.ids).carry = lambda journal, now: True


def _patch_answers(world: World, spoil: Callable[[Any], None], effect: Effect) -> None:
    class Spoilt(EntryFate):
        __slots__ = ("__dict__",)

    relay = world.relay

    def wrap(method: Any) -> Any:
        def call(*args: Any) -> None:
            method(*args)
            change = relay.batching.changes[-1] if relay.batching.changes else None
            if isinstance(change, EntryFate) and change.effect is effect:
                spoilt = Spoilt(change.pending, change.effect, change.status, change.carrier_id, change._then)
                spoil(spoilt)
                relay.batching.changes[-1] = spoilt

        return call

    cast("Any", relay).answered = wrap(relay.answered)
    cast("Any", relay).unanswered = wrap(relay.unanswered)


def order_not_written(world: World) -> None:
    """A stop is in force and told to be, and the journal does not know it."""
    world.operators.book._write = lambda kind, body: world.journal.written


def lift_not_written(world: World) -> None:
    """A stop ends, and comes back with a restart."""
    write = world.operators.book._write
    world.operators.book._write = lambda kind, body: world.journal.written if kind == messages.LIFTED else write(kind, body)


def orders_not_in_the_checkpoint(world: World) -> None:
    """A restart reads the journal from behind the order."""
    checkpoint = world.operators.checkpoint

    def forgets() -> int | None:
        found = checkpoint()
        world.operators.saved = ({}, world.operators.saved[1], world.operators.saved[2])
        return found

    cast("Any", world.operators).checkpoint = forgets


def stop_told_before_synced(world: World) -> None:
    """Whoever ordered a stop is told so while it may still be lost."""
    write = world.operators.book._write

    def hastily(kind: int, body: bytes) -> int:
        write(kind, body)
        return 0

    world.operators.book._write = hastily


def officer_not_written(world: World) -> None:
    """An officer's refusal is in the record and never journalled."""
    change = world.relay.change

    def silently(one: Any) -> None:
        change(cast("Any", _Silent(one)) if isinstance(one, SuppressionChange) else one)

    cast("Any", world.relay).change = silently


def lists_not_asked(world: World) -> None:
    """Who judges looks at the record only."""
    cast("Any", world.relay.admission)._listed = SuppressionLists()


def half_a_list_is_believed(world: World) -> None:
    """A restart puts into force what had come of a list."""
    begun: dict[int, ListImport] = {}
    for item in read(world.disk, 1) if world.restarts else ():
        if item.kind == messages.LISTING:
            begun[item.sequence] = ListImport(item.sequence, unpack(operator_actions.ListBegun, item.body))
        elif item.kind == messages.LISTED:
            begun[unpack(operator_actions.ListChunk, item.body).listing].add(item.body, 1)
        elif item.kind == messages.LISTING_DONE:
            del begun[unpack(operator_actions.ListDone, item.body).listing]
    for listing in begun.values():
        for _ in listing.apply(world.store.listed):
            pass


def end_of_an_order_not_written(world: World) -> None:
    """An order that is over is forgotten, and a restart whose clock was set back gives it again."""
    book = world.operators.book

    def forget(now: float) -> None:
        while book._unwritten:
            book._orders.drop(book._unwritten.pop())

    cast("Any", book)._write_over = forget


def checkpoint_amid_a_list(world: World) -> None:
    """A checkpoint's place in the journal is behind the beginning of what is on its way in."""
    checkpoint = world.operators.checkpoint
    cast("Any", world.operators).checkpoint = lambda: checkpoint() and None


class _Unmoved(PersonChange):
    """Is journalled and told, and alters nothing."""

    __slots__ = ()

    def apply(self, data: bytes, now: float) -> bytes:
        super().apply(data, now)
        return data


def withdrawal_not_applied(world: World) -> None:
    """A consent that is taken back is journalled, told, and counts all the same."""
    _spoil_changes(world, PersonChange, _Unmoved)


def person_not_written(world: World) -> None:
    """What befell a person is in memory and never journalled."""
    change = world.relay.change

    def silently(one: Any) -> None:
        change(cast("Any", _Silent(one)) if isinstance(one, PersonChange) else one)

    cast("Any", world.relay).change = silently


def half_a_file_of_consents_is_believed(world: World) -> None:
    """A restart puts into force what had come of a file."""
    begun: dict[int, ConsentImport] = {}
    for item in read(world.disk, 1) if world.restarts else ():
        if item.kind == messages.CONSENT_FILE:
            begun[item.sequence] = ConsentImport(item.sequence, unpack(consents.ConsentFile, item.body))
        elif item.kind == messages.CONSENTS:
            begun[unpack(consents.Chunk, item.body).file].add(item.body, 1)
        elif item.kind == messages.CONSENT_EVENT:
            del begun[unpack(consents.BatchEvent, item.body).file]
    for incoming in begun.values():
        consented = world.store.consented
        for _ in incoming.apply(incoming.whole(world.wall, consented), consented):
            pass


def consents_not_in_the_checkpoint(world: World) -> None:
    """The file keeps the position and not what people agreed to."""
    cast("Any", world.store.consented).collect = lambda most: []


def checkpoint_amid_a_file_of_consents(world: World) -> None:
    """A checkpoint's place in the journal is behind the beginning of what is on its way in."""
    checkpoint = world.agreeing.checkpoint
    cast("Any", world.agreeing).checkpoint = lambda: checkpoint() and None


def forgotten_and_not_known_again(world: World) -> None:
    """Who was forgotten is so for a restart, too: nobody has the key."""
    if world.restarts:
        world.store.erased.named = lambda number: 0


def consents_of_the_forgotten_stay(world: World) -> None:
    """Only the record is cleared."""
    cast("Any", world.store.consented).remove = lambda number: 0


BUGS: list[Callable[[World], None]] = [
    acknowledged_before_synced,
    sent_before_written,
    take_back_lost,
    take_back_not_written,
    swap_result_ignored,
    opt_out_acknowledged_before_synced,
    unknown_taken_back,
    late_answer_forwarded,
    ids_start_again,
    unsuccess_sme_ignored,
    place_of_a_group_leaked,
    receipt_before_the_answer_to_many,
    place_leaked,
    aggregates_not_given_back,
    sent_again_after_link_loss,
    opt_out_lost_in_replay,
    opt_out_of_the_wrong_person,
    restore_not_applied,
    restore_not_written,
    restore_lost_in_replay,
    declared_keyword_ignored,
    only_the_port_is_stopped,
    only_the_newest_is_meant,
    what_is_unknown_never_came,
    only_the_very_port_counts,
    malformed_answers_passed_on,
    reserved_values_pass,
    receipts_keep_the_country_code,
    country_code_kept,
    a_port_of_nobody_is_a_port,
    stopped_at_one_provider,
    everything_is_one_advertiser,
    restored_by_any_port,
    never_widened,
    confirmed_every_time,
    handed_before_synced,
    receipt_overtakes_the_answer,
    lost_bind_forgotten,
    not_now_is_never,
    delivered_not_written,
    mailbox_not_in_the_checkpoint,
    checkpoint_keeps_what_went,
    neighbours_deliver,
    carrier_waits_for_the_disk,
    an_entry_for_each_part,
    a_later_part_leaves_first,
    late_text_not_read,
    one_refused_part_gives_all_back,
    parts_wait_for_ever,
    late_parts_with_the_status_of_the_first,
    replaced_counts_twice,
    replacement_asks_nobody,
    replacement_takes_a_quota_again,
    anothers_message,
    refused_replacement_stays,
    refused_replacement_not_written,
    second_replacement_fails,
    index_forgets,
    cancelled_given_back,
    asked_of_the_first_carrier,
    id_as_the_provider_knows_it,
    receipts_as_they_come,
    code_of_another_carrier,
    zeros_lost_in_a_restart,
    zeros_lost_in_a_checkpoint,
    order_not_written,
    lift_not_written,
    orders_not_in_the_checkpoint,
    stop_told_before_synced,
    officer_not_written,
    lists_not_asked,
    half_a_list_is_believed,
    checkpoint_amid_a_list,
    end_of_an_order_not_written,
    withdrawal_not_applied,
    person_not_written,
    half_a_file_of_consents_is_believed,
    consents_not_in_the_checkpoint,
    checkpoint_amid_a_file_of_consents,
    forgotten_and_not_known_again,
    consents_of_the_forgotten_stay,
]

FIRST_FOUND: dict[Callable[[World], None], int] = {
    place_of_a_group_leaked: 14,
    only_the_port_is_stopped: 22,
    only_the_newest_is_meant: 54,
    what_is_unknown_never_came: 93,
    malformed_answers_passed_on: 12,
    restored_by_any_port: 40,
    never_widened: 14,
    lost_bind_forgotten: 107,
    late_parts_with_the_status_of_the_first: 11,
    zeros_lost_in_a_checkpoint: 23,
    orders_not_in_the_checkpoint: 26,
    checkpoint_amid_a_list: 180,
    withdrawal_not_applied: 10,
    half_a_file_of_consents_is_believed: 79,
    checkpoint_amid_a_file_of_consents: 123,
    late_answer_forwarded: 5,
    ids_start_again: 3,
    receipt_before_the_answer_to_many: 8,
    restore_lost_in_replay: 16,
    receipt_overtakes_the_answer: 3,
    carrier_waits_for_the_disk: 6,
    late_text_not_read: 3,
    refused_replacement_stays: 4,
    refused_replacement_not_written: 4,
    index_forgets: 4,
    zeros_lost_in_a_restart: 3,
    stop_told_before_synced: 4,
    lists_not_asked: 4,
    half_a_list_is_believed: 7,
    person_not_written: 3,
    consents_not_in_the_checkpoint: 3,
    forgotten_and_not_known_again: 3,
    consents_of_the_forgotten_stay: 10,
    unknown_taken_back: 4,
    unsuccess_sme_ignored: 4,
    place_leaked: 2,
    aggregates_not_given_back: 2,
    sent_again_after_link_loss: 4,
    a_port_of_nobody_is_a_port: 5,
    confirmed_every_time: 2,
    checkpoint_keeps_what_went: 3,
    replacement_asks_nobody: 2,
    anothers_message: 2,
    second_replacement_fails: 2,
    cancelled_given_back: 4,
    order_not_written: 2,
    lift_not_written: 2,
    end_of_an_order_not_written: 2,
}
"""The first seed that finds a bug, where it is not 1: tried first, and part of each run without a bug."""
