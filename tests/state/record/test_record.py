"""A record behaves like a naive list of entries."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import UNSIGNED, Breach, Category, Content, Message, Outcome, Sender
from proxy.model.reasons import RULE_REASONS
from proxy.model.recipient import CONSENT_REQUEST, ENTRY, Entry, EntryFilter, EntryState, OptOut
from proxy.policy.evaluation_plan import Cap
from proxy.policy.limit import Limit
from proxy.policy.time_windows import Window
from proxy.state.record import record
from proxy.state.record.record import EMPTY, ENTRIES_MAX, REPLAY_MAX, Record

NOW = 1_700_000_000
DAY = 86_400
KEEP_S = 7 * DAY


def entry(number: int, time: int = NOW, **said: int) -> Entry:
    given_ = {
        "signature": 0,
        "provider": 1,
        "port": 1,
        "category": Category.MARKETING,
        "subcategory": 0,
        "template": 0,
        "keyword": 0,
    }
    given_.update(said)
    given_["category"] = Category(given_["category"])
    return Entry(id=number, time=time, state=0, **given_)  # type: ignore[arg-type]


def filled(*some: Entry, keep_s: int = KEEP_S) -> bytes:
    data = EMPTY
    for one in some:
        data = record.add(data, one, one.time, keep_s)
    return data


def ids(data: bytes) -> list[int]:
    return [one.id for one in record.entries(data)]


@dataclass
class Naive:
    """The record as a list of entries, every rule written out."""

    kept: list[Entry] = field(default_factory=list)

    def add(self, new: Entry, now: int, keep_s: int, most: int = ENTRIES_MAX) -> None:
        if any(one.id == new.id for one in self.kept):
            return
        self.kept.append(new)
        self.kept.sort(key=lambda one: one.time)
        self.prune_if_needed(now, keep_s, most)

    def prune_if_needed(self, now: int, keep_s: int, most: int) -> None:
        newest = {(one.port, one.signature): one.id for one in self.kept if one.category != Category.OTP or one.keyword}
        self.kept = [
            one
            for one in self.kept
            if one.time > now - keep_s or (newest.get((one.port, one.signature)) == one.id and one.time > now - 30 * DAY)
        ]
        while len(self.kept) > most:
            place = {one.id: index for index, one in enumerate(self.kept)}
            victim = min(
                self.kept, key=lambda one: (one.category, newest.get((one.port, one.signature)) == one.id, place[one.id])
            )
            self.kept.remove(victim)

    def remove(self, number: int) -> None:
        self.kept = [one for one in self.kept if one.id != number]

    def settle(self, number: int, state: EntryState) -> None:
        self.kept = [one._replace(state=state) if one.id == number else one for one in self.kept]


entries_ = st.builds(
    entry,
    st.integers(1, 90),
    st.just(NOW),
    signature=st.integers(0, 2),
    provider=st.integers(0, 2),
    port=st.integers(0, 5),
    category=st.integers(0, 2),
    subcategory=st.one_of(st.integers(0, 63), st.just(CONSENT_REQUEST)),
    template=st.integers(0, 2),
    keyword=st.integers(0, 0xFFFF),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), entries_, st.sampled_from([0, 1, 60, DAY, 3 * DAY])),
        st.tuples(st.just("remove"), st.integers(1, 90), st.just(0)),
        st.tuples(st.just("settle"), st.integers(1, 90), st.sampled_from(list(EntryState))),
    ),
    max_size=120,
)


def timed(script):
    """Gives the adds of a script their times: each so much after the one before. Ids are never used twice, as in the gate."""
    now, said, used = NOW, [], {}
    for number, (kind, what, more) in enumerate(script):
        if kind == "add":
            now += more
            used[what.id] = number + 1000
            said.append((kind, what._replace(id=number + 1000, time=now), now))
        else:
            said.append((kind, used.get(what, what), more))
    return said


def apply(data: bytes, script, most: int = ENTRIES_MAX) -> bytes:
    for kind, what, more in script:
        if kind == "add":
            data = record.add(data, what, more, KEEP_S, most)
        elif kind == "remove":
            data = record.remove(data, what)
        else:
            data = record.settle(data, what, EntryState(more))
    return data


@given(steps)
def test_a_record_holds_what_a_plain_list_under_the_same_rules_would_hold(script):
    data, naive = EMPTY, Naive()
    for step in timed(script):
        kind, what, more = step
        data = apply(data, [step])
        if kind == "add":
            naive.add(what, more, KEEP_S)
        elif kind == "remove":
            naive.remove(what)
        else:
            naive.settle(what, EntryState(more))
        assert record.entries(data) == naive.kept
    assert Record(data).newest() == max((one.time for one in naive.kept), default=0)


@given(steps)
def test_doing_anything_twice_is_doing_it_once(script):
    data = EMPTY
    for step in timed(script):
        data = apply(data, [step])
        if step[0] != "add" or step[1].id in ids(data):  # what was pruned at once leaves no trace to know it by
            assert apply(data, [step]) is data


@given(steps, st.integers(0, 120), st.integers(0, 120))
def test_replay_over_a_checkpoint_newer_than_its_position_converges(script, position, snapshot):
    """The checkpoint holds more than its position says; replay from the position ends where the gate was."""
    script = timed(script)
    position, snapshot = min(position, len(script)), min(max(position, snapshot), len(script))
    was = apply(EMPTY, script)
    replayed = apply(apply(EMPTY, script[:snapshot]), script[position:], most=REPLAY_MAX)
    now = max((step[2] for step in script if step[0] == "add"), default=NOW)
    was, replayed = record.prune(was, now, KEEP_S), record.prune(replayed, now, KEEP_S)
    have = {one.id: one for one in record.entries(replayed)}
    removed = {what for kind, what, _ in script if kind == "remove"}
    assert all(have[one.id] == one for one in record.entries(was))  # nothing is forgotten, every state is the same
    assert not removed & set(have)  # what was taken back stays taken back
    if len(script) < ENTRIES_MAX and not removed:
        assert replayed[6:] == was[6:]


def crowded(seed: int):
    """A person who gets far more than a record holds; some of it is taken back."""
    draw, now = random.Random(seed), NOW
    script: list[tuple[Any, ...]] = []
    given_out: list[int] = []
    for number in range(1, 260):
        now += draw.choice([0, 1, 60, 3600])
        if given_out and draw.random() < 0.3:
            script.append(draw.choice([("remove", draw.choice(given_out), 0), ("settle", draw.choice(given_out), 1)]))
            continue
        given_out.append(number)
        script.append(("add", entry(number, now, port=draw.randrange(9), category=draw.choice([0, 1, 2, 2])), now))
    return script


@pytest.mark.parametrize("seed", range(40))
def test_a_crowded_record_prunes_like_the_list_and_replays_without_forgetting(seed):
    script, naive, data = crowded(seed), Naive(), EMPTY
    cuts = random.Random(seed)
    for kind, what, more in script:
        data = apply(data, [(kind, what, more)])
        if kind == "add":
            naive.add(what, more, KEEP_S)
        elif kind == "remove":
            naive.remove(what)
        else:
            naive.settle(what, EntryState(more))
        assert record.entries(data) == naive.kept
    position = cuts.randrange(100, 260) if cuts.random() < 0.5 else cuts.randrange(len(script))
    position = min(position, len(script) - 1)
    snapshot = cuts.randint(position, len(script))
    if sum(step[0] == "add" for step in script[position:]) + ENTRIES_MAX <= REPLAY_MAX:
        now = max(step[2] for step in script if step[0] == "add")
        again = record.prune(apply(apply(EMPTY, script[:snapshot]), script[position:], most=REPLAY_MAX), now, KEEP_S)
        have, taken_back = {one.id for one in record.entries(again)}, {what for kind, what, _ in script if kind == "remove"}
        assert len(have) <= ENTRIES_MAX
        assert not have & taken_back
        newest = [one.id for one in record.entries(data) if one.category == Category.MARKETING][-20:]
        assert set(newest) <= have  # replay may find room for older ones, never at the cost of newer ones


picks = st.builds(
    EntryFilter,
    categories=st.none() | st.frozensets(st.integers(0, 2)),
    subcategories=st.none() | st.frozensets(st.integers(0, 63)),
    signatures=st.none() | st.frozensets(st.integers(0, 2)),
    providers=st.none() | st.frozensets(st.integers(0, 2)),
)


def cap(pick: EntryFilter, after: int, keys: frozenset[str] = frozenset(("recipient",)), most: int = 1) -> Cap:
    limit = Limit(most, Window("rolling", NOW - after), keys, "", 1)
    return Cap(limit, pick, None, Breach("it", 0, Outcome.REJECT, RULE_REASONS["recipient-cap"]), 0)


def used(data: bytes, one: Cap, port: int = 0, template: int = 0, enough: int = 9) -> int:
    sender = Sender("jia", "jia", "1069", "1069", port_hash=port)
    return one.used(Record(data), Message(sender, 13800210000, Content("", "empty", b"")), template, float(NOW), enough)


@given(
    steps, picks, st.integers(-DAY, 40 * DAY), st.integers(1, 70), st.none() | st.integers(0, 5), st.none() | st.integers(0, 2)
)
def test_a_cap_counts_what_counting_one_by_one_gives(script, pick, later, enough, port, template):
    data = apply(EMPTY, timed(script))
    after = NOW + later

    def fits(one: Entry) -> bool:
        return all(
            wanted is None or value in wanted
            for wanted, value in [
                (pick.categories, one.category),
                (pick.subcategories, one.subcategory),
                (pick.signatures, one.signature),
                (pick.providers, one.provider),
                (None if port is None else {port}, one.port),
                (None if template is None else {template}, one.template),
            ]
        )

    slow = sum(one.time > after and fits(one) for one in record.entries(data))
    named = {"port": port, "template": template}
    keys = frozenset(["recipient", *(name for name, value in named.items() if value is not None)])
    one = cap(pick, after, keys, enough)
    assert used(data, one, port or 0, template or 0, enough) == min(slow, enough)
    message = Message(Sender("jia", "jia", "1069", "1069", port_hash=port or 0), 13800210000, Content("", "empty", b""))
    assert one.reached(Record(data), message, template or 0, float(NOW)) == (slow >= enough)


def test_the_window_is_open_at_its_far_end():
    data = filled(entry(1, NOW - 60), entry(2, NOW))
    assert used(data, cap(EntryFilter(), NOW - 60)) == 1
    assert used(data, cap(EntryFilter(), NOW - 61)) == 2


def test_the_65th_message_pushes_out_an_otp_before_any_marketing():
    some = [entry(n, NOW + n, category=Category.OTP if n == 40 else Category.MARKETING) for n in range(1, 65)]
    data = record.add(filled(*some), entry(65, NOW + 65), NOW + 65, KEEP_S)
    assert 40 not in ids(data)
    assert len(ids(data)) == 64


def test_among_marketing_the_newest_of_each_port_outlives_older_company():
    some = [entry(1, NOW, port=7), *[entry(n, NOW + n) for n in range(2, 65)]]
    data = record.add(filled(*some), entry(65, NOW + 65), NOW + 65, KEEP_S)
    assert ids(data) == [1, *range(3, 66)]


def test_the_newest_of_a_port_is_kept_thirty_days_though_rules_need_a_week():
    data = filled(entry(1, NOW, port=7), entry(2, NOW, port=8), entry(3, NOW + 1, port=8))
    later = record.add(data, entry(4, NOW + 10 * DAY), NOW + 10 * DAY, KEEP_S)
    assert ids(later) == [1, 3, 4]
    assert ids(record.add(later, entry(5, NOW + 31 * DAY), NOW + 31 * DAY, KEEP_S)) == [5]


def test_the_newest_of_each_signature_of_a_port_is_kept_thirty_days_and_a_code_is_not():
    old = [entry(1, NOW, port=7, signature=1), entry(2, NOW + 1, port=7, signature=2), entry(3, NOW + 2, port=7, signature=1)]
    code = entry(4, NOW + 3, port=9, category=Category.OTP, keyword=0)
    later = record.add(filled(*old, code), entry(5, NOW + 10 * DAY), NOW + 10 * DAY, KEEP_S)
    assert ids(later) == [2, 3, 5]


def test_an_entry_survives_packing_with_every_field_at_its_limit():
    full = Entry(
        (1 << 48) - 1,
        (1 << 32) - 1,
        UNSIGNED - 1,
        (1 << 32) - 1,
        (1 << 32) - 1,
        Category.MARKETING,
        63,
        (1 << 32) - 1,
        0xFFFF,
        2,
    )
    unsigned = full._replace(signature=0, unsigned=(1 << 48) - 1)
    assert [Entry.unpack(one.pack()) for one in (full, unsigned)] == [full, unsigned]
    assert len(full.pack()) == 32


def test_an_id_that_also_occurs_inside_another_entry_is_not_mistaken_for_it():
    trap = entry(1, NOW, signature=77)
    data = filled(trap, entry(2, NOW))
    assert record.remove(data, 77) is data
    assert record.settle(data, 77, EntryState.ACCEPTED) is data
    assert ids(record.add(data, entry(77, NOW), NOW, KEEP_S)) == [1, 2, 77]
    assert ids(record.remove(record.add(data, entry(77, NOW), NOW, KEEP_S), 77)) == [1, 2]


# -- unknown outcomes


def test_an_unknown_outcome_stays_counted_and_is_found_by_its_fingerprint():
    data = record.mark_unknown(filled(entry(1)), 1, 0xABC)
    found = record.find_unknown(data, 0xABC, NOW - 1)
    assert found is not None
    assert (found.id, found.state) == (1, EntryState.UNKNOWN)
    assert used(data, cap(EntryFilter(), 0)) == 1
    assert record.find_unknown(data, 0xABD, NOW - 1) is None
    assert record.find_unknown(data, 0xABC, NOW) is None  # too old
    assert record.has_unknown(data)
    assert not record.has_unknown(filled(entry(1)))


def test_a_late_answer_ends_the_doubt():
    data = record.mark_unknown(filled(entry(1)), 1, 0xABC)
    for after in (record.settle(data, 1, EntryState.ACCEPTED), record.remove(data, 1)):
        assert not record.has_unknown(after)
        assert record.find_unknown(after, 0xABC, 0) is None


def test_what_goes_out_in_the_stead_of_an_unknown_one_is_found_as_sent_twice_until_the_carrier_speaks():
    data = record.mark_sent_twice(filled(entry(9)), 9, 0xABC)
    for again in (data, record.mark_unknown(data, 9, 0xABC), record.amend(data, record.entries(data)[0].pack())):
        found = record.find_unknown(again, 0xABC, NOW - 1)
        assert found is not None
        assert (found.id, found.state) == (9, EntryState.SENT_TWICE)
    assert record.find_unknown(data, 0xABC, NOW) is None  # too old
    arrived = record.settle(data, 9, EntryState.ACCEPTED, EntryState.SENT_TWICE)
    assert (record.find_unknown(arrived, 0xABC, 0), record.has_unknown(arrived)) == (None, False)
    assert record.entries(record.mark_adoptable(data, 9, 0xABC))[0].state == EntryState.UNKNOWN
    assert record.mark_sent_twice(data, 77, 0xABC) is record.mark_adoptable(data, 77, 0xABC) is data


def test_of_two_alike_the_one_that_was_not_sent_twice_is_found_though_it_is_older():
    data = record.mark_unknown(filled(entry(1, NOW - 9), entry(2)), 1, 0xABC)
    found = record.find_unknown(record.mark_sent_twice(data, 2, 0xABC), 0xABC, NOW - 10)
    assert found is not None
    assert found.id == 1


def test_only_an_entry_in_the_expected_state_is_touched():
    data = filled(entry(1))
    assert record.remove(data, 1, only=EntryState.UNKNOWN) is data
    assert record.settle(data, 1, EntryState.ACCEPTED, only=EntryState.UNKNOWN) is data
    assert ids(record.remove(record.mark_unknown(data, 1, 5), 1, only=EntryState.UNKNOWN)) == []


def test_a_fingerprint_goes_when_its_entry_is_pruned():
    data = record.mark_unknown(filled(entry(1)), 1, 0xABC)
    later = record.add(data, entry(2, NOW + 31 * DAY), NOW + 31 * DAY, KEEP_S)
    assert not record.has_unknown(later)


# -- refusals

REFUSAL = OptOut("advertiser", "0a1b2c3d4e5f", NOW, "reply", 0)


def test_a_refusal_outlives_every_entry():
    data = record.opt_out(filled(entry(1)), REFUSAL)
    data = record.remove(data, 1)
    assert Record(data).opt_outs() == [REFUSAL]
    assert not record.is_stale(data, NOW + 400 * DAY, KEEP_S)


SAID = st.tuples(
    st.sampled_from(["out", "back"]), st.sampled_from(["", "甲"]), st.sampled_from(["reply", "officer"]), st.integers(0, 3)
)


@given(st.lists(SAID, max_size=12))
def test_refusals_and_restores_replayed_from_anywhere_end_the_same(script):
    def play(data, some):
        for kind, value, source, time in some:
            data = (
                record.opt_out(data, OptOut("port", value, time, source, 0))
                if kind == "out"
                else record.restore(data, OptOut("port", value, time, source, 0))
            )
        return data

    script = sorted(script, key=lambda step: step[3])
    end = play(EMPTY, script)
    for position in range(len(script)):
        for snapshot in range(position, len(script) + 1):
            again = play(play(EMPTY, script[:snapshot]), script[position:])
            assert sorted(record.opt_outs(again)) == sorted(record.opt_outs(end))


def test_a_restore_ends_only_what_it_names_and_only_if_not_newer():
    data = record.opt_out(record.opt_out(EMPTY, REFUSAL), OptOut("all", "", NOW, "officer", 0))
    lifted = OptOut("all", "", NOW, "officer", 0)
    assert record.opt_outs(record.restore(data, lifted)) == [REFUSAL]
    assert record.restore(data, lifted._replace(time=NOW - 1)) is data
    assert record.restore(data, lifted._replace(source="reply")) is data
    assert record.restore(data, OptOut("signature", "x", NOW, "officer", 0)) is data


def test_the_same_said_by_others_stays_beside_it():
    data = record.opt_out(record.opt_out(EMPTY, REFUSAL), REFUSAL._replace(source="complaint", time=NOW + 1, expiry=NOW + DAY))
    assert record.opt_outs(data) == [REFUSAL, REFUSAL._replace(source="complaint", time=NOW + 1, expiry=NOW + DAY)]
    assert record.opt_outs(record.opt_out(data, REFUSAL._replace(time=NOW + 9)))[1].time == NOW + 9
    assert record.opt_outs(record.restore(data, REFUSAL._replace(source="complaint", time=NOW + 9))) == [REFUSAL]


def test_the_65th_refusal_widens_the_scope_instead_of_forgetting_one():
    data = EMPTY
    for number in range(80):
        data = record.opt_out(data, OptOut("advertiser", f"{number:012x}", NOW + number, "reply", 0))
    held = record.opt_outs(data)
    assert len(held) == 64
    assert any((one.scope, one.value) == ("category", "marketing") for one in held)


def test_what_gives_way_to_a_wider_one_is_the_wider_one_of_whoever_said_it():
    complaint = OptOut("advertiser", "a complaint", NOW, "complaint", 0)
    data = record.opt_out(EMPTY, complaint)
    for number in range(80):
        data = record.opt_out(data, OptOut("advertiser", f"{number:012x}", NOW + number, "reply", 0))
    assert complaint in record.opt_outs(data)
    assert {one.source for one in record.opt_outs(data) if one.scope == "category"} == {"reply"}


def test_an_expired_refusal_gives_way_before_the_scope_widens():
    data = record.opt_out(EMPTY, OptOut("advertiser", "old", NOW, "officer", NOW + 5))
    for number in range(64):
        data = record.opt_out(data, OptOut("advertiser", f"{number:012x}", NOW + 9, "reply", 0))
    held = {one.value for one in record.opt_outs(data)}
    assert len(held) == 64
    assert not held & {"old", "marketing"}


def test_words_that_are_no_scope_are_refused_with_the_list():
    for wrong in (REFUSAL._replace(scope="planet"), REFUSAL._replace(source="rumour"), REFUSAL._replace(value="x" * 241)):
        try:
            record.opt_out(EMPTY, wrong)
        except ValueError as error:
            assert "opt-out" in str(error)
        else:
            raise AssertionError(wrong)


def test_facts_of_a_kind_not_known_here_pass_byte_for_byte():
    foreign = bytes((200, 3)) + b"abc"
    data = record.mark_unknown(filled(entry(1)) + foreign, 1, 5)
    data = record.opt_out(data, REFUSAL)
    data = record.settle(data, 1, EntryState.ACCEPTED)
    data = record.restore(data, REFUSAL)
    assert record.add(data, entry(2), NOW, KEEP_S).endswith(foreign)


def test_the_record_keeps_the_version_it_was_loaded_with():
    data = b"\1\2\3\4\5\6" + EMPTY[6:]
    data = record.opt_out(record.add(data, entry(1), NOW, KEEP_S), REFUSAL)
    data = record.prune(record.mark_unknown(data, 1, 5), NOW + DAY, 1)
    assert record.remove(data, 1)[:6] == b"\1\2\3\4\5\6"


def test_a_record_that_time_has_emptied_may_be_dropped_and_no_other():
    data = filled(entry(1))
    assert not record.is_stale(data, NOW + 30 * DAY - 1, KEEP_S)
    assert record.is_stale(data, NOW + 30 * DAY, KEEP_S)
    assert not record.is_stale(data, NOW + 30 * DAY, 60 * DAY)
    assert record.is_empty(record.remove(data, 1))


def test_the_record_asks_for_no_event_loop():
    import subprocess
    import sys

    code = "import sys, proxy.state.record.record, proxy.model.rate, proxy.journal.records.messages; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100), st.integers(0, 255)), max_size=70),
    st.integers(0, 120),
    st.booleans(),
)
def test_an_entry_that_is_known_to_be_new_is_added_as_any_other(
    entries: list[tuple[int, int, int]], now: int, refuses: bool
) -> None:
    one = other = record.opt_out(EMPTY, OptOut("provider", "jia", 9, "reply", 0)) if refuses else EMPTY
    for number, (port, time, sort) in enumerate(entries, 1):
        packed = ENTRY.pack(number << 16, sort, time, 1, port, 9)
        one = record.add_packed(one, packed, now, 60, fresh=True)
        other = record.add_packed(other, packed, now, 60)
        assert one == other
