"""Decisions on rules among gates: which counts, what it means at another gate, how a set's files travel."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cluster.rule_agreement import (
    SET_BYTES_MAX,
    AgreementStep,
    UnusableRules,
    as_heard,
    decision,
    follows,
    objection,
    pack_files,
    unpack_files,
)
from proxy.desk.revisions.rule_revisions import RevisionHistory
from proxy.journal.encoding import pack, unpack
from proxy.journal.records.revisions import Revised
from proxy.state.lists.desk_records import RuleHistory

OLD, NEW, THIRD = "0" * 16, "1" * 16, "2" * 16
NOW = 1_700_000_000.0


def event(
    what: str = "accepted", in_force: str = NEW, proposed: str = "", author: str = "", *, serial: int = 1, **more: Any
) -> Revised:
    made = Revised(NOW, what, proposed or in_force, "li", "push", "x", (), in_force, proposed, author, "", "", serial, 1)
    return made._replace(**more)


# -- which of two counts


def test_a_store_that_knows_nothing_learns_it_from_the_first_gate_that_comes() -> None:
    assert follows(event(serial=0), None) is AgreementStep.PUT


def test_what_is_the_same_on_both_sides_is_left_alone_whoever_wrote_it_when() -> None:
    assert follows(event(time=1.0, who="a"), event(time=2.0, who="b", kept_out=OLD)) is AgreementStep.NOTHING


def test_the_later_decision_counts_and_of_two_with_one_serial_the_store_s() -> None:
    assert follows(event(in_force=OLD, serial=1), event(serial=2)) is AgreementStep.TAKE
    assert follows(event(serial=2), event(in_force=OLD, serial=1)) is AgreementStep.PUT
    assert follows(event(in_force=OLD, serial=2), event(serial=2)) is AgreementStep.TAKE


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40), st.randoms(use_true_random=False))
def test_whoever_decides_when_all_gates_end_at_what_the_store_has(steps: list[tuple[int, bool]], chance: random.Random) -> None:
    """Three gates: each looks at the store before it decides where it can; cut off it may go back, and looks when it is back."""
    start = event("accepted", OLD, serial=1)
    store, gates, cut_off = start, [start] * 3, set[int]()

    def look(number: int) -> None:
        nonlocal store
        said = follows(gates[number], store)
        if said is AgreementStep.TAKE:
            gates[number] = as_heard(gates[number], store, OLD, (), NOW)
        elif said is AgreementStep.PUT:
            store = gates[number]

    for place, (number, cut) in enumerate(steps):
        if cut:
            cut_off ^= {number}
        if number not in cut_off:
            look(number)
        mine = gates[number]
        upon = store.serial if number not in cut_off else mine.serial
        made = event("rolled-back", f"{place:016x}", serial=upon + 1)
        gates[number] = made
        if number not in cut_off:
            store = made
    for _ in range(2):
        for number in chance.sample(range(3), 3):
            look(number)
    assert {decision(gate) for gate in gates} == {decision(store)}


# -- what it means at another gate


def test_what_is_told_is_in_force_and_what_the_folder_holds_instead_is_kept_out() -> None:
    mine, theirs = event(in_force=OLD), event(serial=2, node=2, kept_out=THIRD, changes=("theirs",))
    heard = as_heard(mine, theirs, OLD, ("rule x: added",), NOW + 1)
    assert (heard.in_force, heard.kept_out, heard.beside) == (NEW, OLD, "")
    assert (heard.who, heard.node, heard.changes, heard.time) == ("li", 2, ("rule x: added",), NOW + 1)
    assert as_heard(mine, theirs, NEW, (), NOW).kept_out == "", "the folder holds the same"
    assert as_heard(mine, theirs, "", (), NOW).kept_out == "", "nobody knows what it holds"


def test_what_waits_waits_beside_the_folder_unless_the_folder_holds_it_itself() -> None:
    mine, theirs = event(in_force=OLD), event("proposed", OLD, NEW, "li", serial=2)
    assert as_heard(mine, theirs, OLD, (), NOW)[-5:-2] == ("li", "", OLD)
    assert as_heard(mine, theirs, NEW, (), NOW)[-5:-2] == ("li", "", "")
    assert as_heard(mine, theirs, "", (), NOW).beside == OLD
    kept_out = as_heard(mine, theirs, THIRD, (), NOW)
    assert (kept_out.kept_out, kept_out.beside) == (THIRD, THIRD)


def test_a_gate_that_asks_for_two_persons_does_not_follow_one_that_asks_for_one() -> None:
    mine, theirs = event(in_force=OLD), event("accepted", serial=2, node=7)
    assert "node 7 has put it into force without a second person" in objection(mine, theirs, four_eyes=True)
    assert objection(mine, theirs, four_eyes=False) == ""
    for what in ("approved", "rolled-back", "rejected"):
        assert objection(mine, theirs._replace(event=what), four_eyes=True) == ""
    assert objection(mine, theirs._replace(how="first start"), four_eyes=True) == ""
    assert objection(event(in_force=""), theirs, four_eyes=True) == "", "it has nothing to compare with"
    assert objection(event(in_force=NEW), theirs, four_eyes=True) == "", "it is in force already"


# -- the folder of a gate among others


class Desk(RevisionHistory):
    def __init__(self, *events: Revised) -> None:
        super().__init__(RuleHistory())
        for place, one in enumerate(events):
            self.note(place, one)

    def holds(self, revision: str) -> Revised | None:
        return self.folder_holds(revision, "li", "files", (), NOW, four_eyes=False, among_others=True)


def test_a_folder_that_holds_what_is_in_force_is_edited_for_all() -> None:
    said = Desk(event(in_force=OLD)).holds(NEW)
    assert said is not None
    assert (said.event, said.in_force) == ("accepted", NEW)


def test_a_folder_that_holds_anything_else_is_kept_out_whatever_is_edited_in_it() -> None:
    desk = Desk(event(in_force=NEW, kept_out=OLD))
    said = desk.holds(THIRD)
    assert said is not None
    assert (said.event, said.revision, decision(said), said.kept_out) == ("kept-out", THIRD, decision(desk.now), THIRD)
    desk.note(5, said)
    assert desk.holds(THIRD) is None
    back = desk.holds(NEW)
    assert back is not None
    assert (back.event, back.in_force, back.kept_out) == ("withdrawn", NEW, "")


def test_a_folder_kept_out_stays_so_while_something_of_others_waits() -> None:
    desk = Desk(event("proposed", OLD, NEW, "li", kept_out=THIRD, beside=THIRD))
    said = desk.holds("3" * 16)
    assert said is not None
    assert (said.event, decision(said), said.kept_out, said.beside) == ("kept-out", decision(desk.now), "3" * 16, "3" * 16)


def test_a_gate_that_is_alone_writes_what_it_always_wrote() -> None:
    alone = event(serial=0, node=-1)
    assert unpack(Revised, pack(alone)) == alone
    assert b"-1" not in pack(alone)
    told = event(serial=7, node=3)
    assert unpack(Revised, pack(told)) == told


# -- files


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0/."), min_size=1, max_size=20),
        st.binary(max_size=200),
        min_size=1,
    )
)
def test_files_come_as_they_went(files: dict[str, bytes]) -> None:
    nested = {f"lists/{name}": data for name, data in files.items()}
    assert unpack_files(pack_files(files | nested)) == files | nested


@pytest.mark.parametrize("name", ["../x.yaml", "/etc/x", "a/../../b", ""])
def test_a_file_that_would_lie_outside_is_refused(name: str) -> None:
    with pytest.raises(UnusableRules, match="outside"):
        unpack_files(pack_files({name: b"x"}))


def test_what_is_cut_garbled_or_without_end_is_refused() -> None:
    packed = pack_files({"a.yaml": b"rules: []"})
    bodies = (
        b"",
        packed[:-3],
        b"no zlib",
        zlib.compress(b""),
        zlib.compress(b"6 90\na.yamlx"),
        zlib.compress(b"x y\n"),
        zlib.compress(b"6"),
    )
    for body in bodies:
        with pytest.raises(UnusableRules):
            unpack_files(body)
    bomb = zlib.compressobj()
    piece = bytes(1 << 20)
    body = b"".join(bomb.compress(piece) for _ in range(2 * SET_BYTES_MAX >> 20)) + bomb.compress(b"x") + bomb.flush()
    with pytest.raises(UnusableRules, match="too large"):
        unpack_files(body)
