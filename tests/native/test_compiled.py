"""Compiled functions give the same results as their Python versions.

Each compiled function is called beside its Python version; cases that it does not handle are passed on. Another test runs the
tests of their packages without compiled functions.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import weakref
from array import array
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.records import answers as answered
from proxy.journal.write_ahead_log import Journal
from proxy.model.counters import SECONDS_BUCKETS
from proxy.model.message import Breach, Category, Content, Facts, Message, Outcome, Sender, Verdict
from proxy.model.number import NotARecipient
from proxy.model.reasons import RULE_REASONS
from proxy.model.recipient import ENTRY, OptOut
from proxy.model.sequence_window import SequenceWindow
from proxy.native import loader
from proxy.native.loader import BUILT_FOLDER, PURE
from proxy.net import lane as _lane  # noqa: F401 # likewise
from proxy.relay import submit as _relay  # noqa: F401 # registers its functions
from proxy.relay.batch_window import BatchWindow
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.embedded.record_table import KEY_MAX, Table
from proxy.state.record import record  # likewise
from proxy.state.shared import connection  # noqa: F401 # likewise
from proxy.state.shared.records import (
    RecordKeys,
    Records,  # noqa: F401 # likewise
)
from proxy.state.stores import sqlite, valkey  # noqa: F401 # likewise
from proxy.wire import Frame
from proxy.wire.frame import sort_pdus
from tests.journal.memory_disk import MemoryDisk
from tests.needs import needs

TESTS = Path(__file__).resolve().parents[1]
FILES = [
    "wire/test_session.py",
    "wire/test_submit.py",
    "wire/test_vectors.py",
    "state/shared/test_record_keys.py",
    "state/lists/test_suppression_lists.py",
    "state/lists/test_bloom.py",
    "state/embedded/test_record_table.py",
    "state/record/test_record.py",
    "state/stores/test_sqlite.py",
    "journal/test_write_ahead_log.py",
    "journal/records/test_messages.py",
    "policy/text/test_folding.py",
    "policy/text/test_contacts.py",
    "model/test_pseudonym.py",
    "model/test_number.py",
    "relay/test_submit.py",
]
"""Tests of the functions that have compiled versions, …"""
FILES_BACK = ["wire/test_deliver.py", "wire/test_receipt_ids.py", "state/mailbox/test_mailbox.py", "relay/test_deliver.py"]
"""… and of those for delivers."""


def compiled_version(name: str) -> Any:
    return getattr(loader._MODULE, name)


def result_or_error(function: Any, *given: Any, **named: Any) -> Any:
    """What comes of it, a refusal included."""
    try:
        found = function(*given, **named)
        return list(found) if hasattr(found, "send") else found
    except Exception as error:  # noqa: BLE001 # whatever it is: the compiled version must raise the same
        return type(error), str(error)


@needs("gcc")
def test_every_marked_function_has_a_compiled_version() -> None:
    assert loader.BUILT
    assert [name for name in PURE if not hasattr(loader._MODULE, name)] == []


@needs("gcc")
@given(
    st.one_of(
        st.from_regex(r"(\+?86|0086)?1[3-9][0-9]{9}", fullmatch=True),
        st.text("0123456789 -²", max_size=14),
        st.from_regex(r"14400[0-9]{6}", fullmatch=True),
        st.just("8699999999999"),
    ),
    st.booleans(),
)
def test_people_are_told_apart_alike(spelling: str, as_octets: bool) -> None:
    spelt = spelling.encode() if as_octets else spelling
    found, wanted = result_or_error(compiled_version("recipient_of"), spelt), result_or_error(PURE["recipient_of"], spelt)
    assert found == wanted
    assert isinstance(found, int) or found[0] is NotARecipient


# ---------------------------------------------------------------------------------------------------------------- records

KEYS = st.one_of(
    st.integers(0, 40), st.integers(13_000_000_000, 13_000_000_040), st.integers(-3, KEY_MAX + 3), st.just(1 << 70)
)
STEPS = st.lists(
    st.tuples(KEYS, st.sampled_from([None, b"", b"a", b"ab", b"b"]), st.binary(max_size=3).map(b"a".__add__) | st.just(b""))
)


@needs("gcc")
@given(STEPS, st.integers(1, (1 << 29) - 1))
def test_tables_hold_the_same(steps: list[tuple[int, bytes | None, bytes]], mix: int) -> None:
    one, other = Table(mix), Table(mix)
    for step in steps:
        assert result_or_error(compiled_version("table_exchange_all"), one, [step]) == result_or_error(
            PURE["table_exchange_all"], other, [step]
        )
    asked = [key for key, _, _ in steps if 0 <= key <= KEY_MAX] + [7]
    assert compiled_version("table_get_all")(one, asked) == PURE["table_get_all"](other, asked)
    assert (one._buckets, one.changed, len(one)) == (other._buckets, other.changed, len(other))


@needs("gcc")
def test_buckets_are_split_alike() -> None:
    one, other = Table(12_345), Table(12_345)
    for table in (one, other):
        for number in range(5_000):
            table.put(13_000_000_000 + 7 * number, b"x" * (1 + number % 5))
    for _ in range(3_000):
        compiled_version("table_grow")(one)
        PURE["table_grow"](other)
    assert (one._buckets, one._mask, one._split) == (other._buckets, other._mask, other._split)


@needs("gcc")
def test_tables_grow_alike() -> None:
    one, other = Table(12_345), Table(12_345)
    items = [(13_000_000_000 + 7 * number, b"", b"x" * (1 + number % 5)) for number in range(30_000)]
    compiled_version("table_exchange_all")(one, items)
    PURE["table_exchange_all"](other, items)
    assert one._buckets == other._buckets
    assert compiled_version("table_get_all")(one, [key for key, _, _ in items]) == [data for _, _, data in items]


@needs("gcc")
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=5)), max_size=12), max_size=4),
    st.sampled_from([0, 5, 300, 4_000]),
    st.integers(1, (1 << 29) - 1),
    st.sampled_from([b"", b"\0", b"\0\0\0\0\7\0\0\0", b"\0\0\0\0\7\0\0\2x", b"\0\0\0\0\7\xff\xff\xffx"]),
)
def test_groups_are_put_back_alike(groups: list[list[tuple[int, bytes]]], there: int, mix: int, torn: bytes) -> None:
    one, other = Table(mix), Table(mix)
    for table in (one, other):
        table.make_room(records=there)
        table.exchange_all([(100 + number, None, b"x") for number in range(there)])
    for group in groups:
        data = b"".join([(key << 24 | len(record)).to_bytes(8, "big") + record for key, record in group])
        assert result_or_error(compiled_version("table_load_group"), one, data) == result_or_error(
            PURE["table_load_group"], other, data
        )
    found, wanted = (
        result_or_error(compiled_version("table_load_group"), one, data_of(40) + torn),
        result_or_error(PURE["table_load_group"], other, data_of(40) + torn),
    )
    assert found == wanted
    assert (found is None) == (torn == b"")
    assert (one._buckets, one.changed, len(one)) == (other._buckets, other.changed, len(other))


def data_of(people: int) -> bytes:
    """A group of so many records."""
    return b"".join([(key << 24 | 3).to_bytes(8, "big") + b"abc" for key in range(5_000_000, 5_000_000 + people)])


@needs("gcc")
def test_a_group_of_more_runs_than_any_has_is_put_back_alike() -> None:
    one, other = Table(12_345), Table(12_345)
    for table, load in ((one, compiled_version("table_load_group")), (other, PURE["table_load_group"])):
        table.make_room(records=20_000)
        load(table, data_of(5_000))
    assert (one._buckets, len(one)) == (other._buckets, 5_000)


RECORDS = st.tuples(KEYS, st.integers(0, (1 << 48) - 1), st.one_of(st.just(b"\0" * 7), st.binary(min_size=8, max_size=80)))


@needs("gcc")
@given(st.lists(RECORDS), st.integers(0, (1 << 47)))
def test_records_get_the_same_versions(items: list[tuple[int, int, bytes]], version: int) -> None:
    for whatever in (False, True):
        assert compiled_version("versioned")(items, version, whatever=whatever) == PURE["versioned"](
            items, version, whatever=whatever
        )
    records = [b"" if number % 3 == 0 else data for number, (_, _, data) in enumerate(items)]
    keys = tuple(key for key, _, _ in items)
    assert compiled_version("with_versions")(keys, records) == PURE["with_versions"](keys, records)


@needs("gcc")
@given(st.lists(RECORDS))
def test_a_swap_says_the_same(items: list[tuple[int, int, bytes]]) -> None:
    assert compiled_version("shared_records")(items) == PURE["shared_records"](items)


PERSONS = st.integers(1, 6)


def shared_out(how: Any, come: list[int], changed: set[int], busy: set[int], again: set[int]) -> Any:
    """What becomes of submits to these persons, where others have changes, are under way, or must be judged again."""
    gate: Any = SimpleNamespace(window=BatchWindow(), _refused={}, refusals=None, admission=SimpleNamespace(rules=None))
    gate.window.busy = busy
    submits: list[Any] = [
        SimpleNamespace(message=SimpleNamespace(recipient=person), place=place) for place, person in enumerate(come)
    ]
    half = len(submits) // 2
    chains: dict[int, Any] = {person: ([f"change of {person}"], []) for person in changed - busy}
    how("batching_add_to")(gate, chains, submits[:half], 0.0)
    how("batching_add_to")(gate, chains, submits[half:], 0.0)

    def told(some: dict[int, Any]) -> list[Any]:
        return [(person, changes, [one.place for one in waiting]) for person, (changes, waiting) in some.items()]

    refused = {person: chains[person] for person in again if person in chains}
    left = [one.place for one in how("batching_submits_of")(chains)], how("batching_changes_of")(chains, refused)
    return told(chains), told(gate.window.waiting), left


@needs("gcc")
@given(st.lists(PERSONS, max_size=20), st.sets(PERSONS), st.sets(PERSONS), st.sets(PERSONS))
def test_submits_are_put_behind_what_waits_for_their_persons_alike(
    come: list[int], changed: set[int], busy: set[int], again: set[int]
) -> None:
    assert shared_out(compiled_version, come, changed, busy, again) == shared_out(PURE.__getitem__, come, changed, busy, again)


@needs("gcc")
@given(st.lists(st.tuples(KEYS, st.integers(-9, 9), st.binary(max_size=3))))
def test_what_a_swap_is_about_is_told_alike(items: list[tuple[int, int, bytes]]) -> None:
    for name in ("shared_persons", "shared_decided_here"):
        assert compiled_version(name)(items) == PURE[name](items)


@needs("gcc")
@given(
    st.lists(st.booleans(), max_size=9),
    st.one_of(st.binary(max_size=9), st.text("01", max_size=9).map(str.encode)),
    st.booleans(),
)
def test_what_a_store_says_of_a_swap_is_noted_alike(done: list[bool], said_of: bytes, everywhere: bool) -> None:
    places = range(len(done)) if everywhere else list(range(len(done)))[::-1]
    found, wanted = list(done), list(done)
    one = result_or_error(compiled_version("shared_note_taken"), found, places, said_of)
    other = result_or_error(PURE["shared_note_taken"], wanted, places, said_of)
    assert (type(one), one) == (type(other), other)
    assert found == wanted


@needs("gcc")
@given(st.lists(st.tuples(KEYS, st.one_of(st.none(), st.binary(max_size=80)))))
def test_what_a_store_has_is_read_alike(rows: list[tuple[int, bytes | None]]) -> None:
    given_rows = [key for key, _ in rows], [data for _, data in rows]
    assert compiled_version("shared_read")(*given_rows) == PURE["shared_read"](*given_rows)


@needs("gcc")
@given(st.lists(KEYS), st.binary(min_size=32, max_size=32), st.integers(1, 256))
def test_persons_have_the_same_names(people: list[int], key: bytes, parts: int) -> None:
    keys = RecordKeys(key, [b"g106:{%d}" % part for part in range(parts)])
    assert result_or_error(compiled_version("record_keys_names"), keys, people) == result_or_error(
        PURE["record_keys_names"], keys, people
    )


@pytest.fixture(params=[True, False], ids=["by vectors", "by words"])
def vectors(request: pytest.FixtureRequest) -> Iterator[None]:
    """With and without what the processor has for digests."""
    if not loader.BUILT:
        pytest.skip("the compiled functions are not built here")
    hot: Any = import_module("proxy.native.accelerated")
    before = hot.digest_by_vectors(request.param)
    if hot.digest_by_vectors(request.param) is not request.param:
        pytest.skip("this processor has no AVX2")
    yield
    hot.digest_by_vectors(before)


@pytest.mark.usefixtures("vectors")
def test_digests_are_those_of_the_library_whatever_the_processor_has():
    draw = random.Random(7)
    keys = RecordKeys(bytes(range(32)), [b"g106:{%d}" % part for part in range(3)])
    people = [draw.randrange(1 << 48) for _ in range(50)]
    assert compiled_version("record_keys_names")(keys, people) == PURE["record_keys_names"](keys, people)
    for size in [*range(1100), 8191, 8192, 8193, 100_000]:
        data, previous, claim = draw.randbytes(size), draw.randbytes(32), draw.randbytes(20)
        wanted = PURE["segment_digest"](previous, data, claim)
        assert compiled_version("segment_digest")(previous, data, claim) == wanted
        assert compiled_version("segment_digest")(previous, memoryview(data), claim) == wanted


@needs("gcc")
@given(st.lists(st.one_of(st.binary(max_size=1200), st.text(st.characters(codec="utf-8")), st.integers()), max_size=120))
def test_a_command_has_the_same_octets(words: list[bytes | str | int]) -> None:
    assert compiled_version("resp_command")(tuple(words)) == PURE["resp_command"](tuple(words))


@needs("gcc")
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100), st.integers(0, 255)), max_size=70),
    st.booleans(),
    st.integers(0, 120),
    st.booleans(),
)
def test_entries_are_added_alike(entries: list[tuple[int, int, int]], fresh: bool, now: int, refuses: bool) -> None:
    one = other = record.opt_out(record.EMPTY, OptOut("provider", "jia", 9, "reply", 0)) if refuses else record.EMPTY
    for number, (port, time, sort) in enumerate(entries, 1):
        packed = ENTRY.pack(number << 16, sort, time, 1, port, 9)
        one = compiled_version("add_packed")(one, packed, now, 60, fresh=fresh)
        other = PURE["add_packed"](other, packed, now, 60, fresh=fresh)
        assert one == other


# ---------------------------------------------------------------------------------------------------------------- journal and wire


@needs("gcc")
@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=6)), st.integers(1, 255))
def test_journals_are_the_same(bodies: list[list[bytes]], kind: int) -> None:
    one, other = Journal(MemoryDisk(), 0), Journal(MemoryDisk(), 0)
    first = compiled_version("journal_extend")(one, kind, [[b"", *pieces] for pieces in bodies])
    assert first == PURE["journal_extend"](other, kind, [[b"", *pieces] for pieces in bodies])
    assert b"".join(one._buffer) == b"".join(other._buffer)
    assert one._next == other._next


def pdu(command_id: int, body: bytes, length: int | None = None) -> bytes:
    head = (16 + len(body) if length is None else length, command_id, 0, 7)
    return b"".join(one.to_bytes(4, "big") for one in head) + body


@needs("gcc")
@pytest.mark.parametrize("size", range(7))
def test_a_record_without_a_head_is_written_nowhere(size: int) -> None:
    with pytest.raises(ValueError, match=f"a record of {size} octets"):
        compiled_version("shared_records")([(13_800_000_000, 5, bytes(size))])


# ---------------------------------------------------------------------------------------------------------------- on their way


SENDER = Sender.of("jia", "a", "106900", "106900")
CONTENT = Content("", "readable", b"")


class Other(PendingSubmit):
    """A submit that is not plain: compiled code uses it through its interface."""


def on_their_way(made: list[tuple[int, int, bool]]) -> list[PendingSubmit]:
    """(person, category, whether it is a plain submit), each twice as old as the one before."""
    found: list[PendingSubmit] = []
    for number, (person, category, plain) in enumerate(made, 1):
        one = (PendingSubmit if plain else Other)(cast("Any", None), number, pdu(4, b"%d" % number), 2.0**number)
        one.message = Message(SENDER, 13_800_210_000 + person, CONTENT)
        one.category, one.recorded, one.entry_id = Category(category), 100 + number, 7 * number
        found.append(one)
    return found


def answer_of(body: bytes) -> Any:
    """A carrier's, of the wire's own kind or of another."""
    return Frame.of(pdu(0x80000004, body)) if len(body) % 3 else SimpleNamespace(body=body)


MADE = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.booleans()), max_size=12)


BREACHES = st.lists(
    st.builds(
        Breach, st.just("a-rule"), st.integers(0, 0xFFFF), st.sampled_from(list(Outcome)), st.sampled_from(list(RULE_REASONS.values())),
        st.booleans(),
    ),
    max_size=3,
)  # fmt: skip


@needs("gcc")
@given(MADE, st.lists(BREACHES, min_size=12, max_size=12), st.sampled_from((0, 1)), st.booleans())
def test_verdicts_are_written_alike(
    made: list[tuple[int, int, bool]], objections: list[list[Breach]], has_entry: int, late: bool
) -> None:
    transits = on_their_way(made)
    for transit, breaches in zip(transits, objections, strict=False):
        sender = Sender.of("jia", "a", f"106900{len(breaches)}", "106900")
        transit.message = Message(sender, 13_800_210_000, Content("", "readable", b"%016d" % transit.sequence))
        enforced = [one for one in breaches if not one.shadow and one.outcome is not Outcome.ALLOW]
        reported = enforced[0] if enforced else None
        facts = Facts(sender, transit.category, transit.category, transit.category)
        transit.verdict = Verdict(
            reported.outcome if reported else Outcome.ALLOW,
            reported.reason if reported else None,
            "",
            tuple(breaches),
            facts,
            "北京",
            7,
            (),
        )
        if reported is not None:
            transit.reason, transit.status = reported.reason.name, reported.reason.status
        elif has_entry:
            transit.packed = bytes(range(32))
        transit.late = late and transit.sequence % 3 == 0
    wanted = [b"".join(pieces) for pieces in PURE["verdict_pieces"](5.25, transits, "0123456789abcdef", 86_400)]
    assert [
        b"".join(pieces) for pieces in compiled_version("verdict_pieces")(5.25, transits, "0123456789abcdef", 86_400)
    ] == wanted


@needs("gcc")
@given(MADE, st.lists(st.binary(max_size=70), min_size=12, max_size=12), st.integers(1, 400))
def test_what_the_carrier_took_is_packed_alike(made: list[tuple[int, int, bool]], ids: list[bytes], most: int) -> None:
    accepted = [(one, answer_of(said)) for one, said in zip(on_their_way(made), ids, strict=False)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answered, "ACCEPTED_BYTES_MAX", most)
        wanted = [b"".join(pieces) for pieces in PURE["pack_accepted"](5.25, accepted)]
        assert [b"".join(pieces) for pieces in compiled_version("pack_accepted")(5.25, accepted)] == wanted


@needs("gcc")
def test_records_of_every_length_have_the_checksum_that_zlib_gives_them() -> None:
    draw, one, other = random.Random(32), Journal(MemoryDisk(), 0), Journal(MemoryDisk(), 0)
    for sizes in ((*range(520), 70_001), (5 << 20,), (3, 4)):  # for one of them no room is kept
        bodies = [draw.randbytes(size) for size in sizes]
        compiled_version("journal_extend")(one, 1, [[b"", body] for body in bodies])
        PURE["journal_extend"](other, 1, [[b"", body] for body in bodies])
    assert b"".join(one._buffer) == b"".join(other._buffer)


# ---------------------------------------------------------------------------------------------------------------- objects


def frames(count: int) -> list[Frame]:
    """As a read makes them; of such objects the last that were freed are made again."""
    requests: list[Frame] = []
    data = b"".join(pdu(4, b"body %d" % number) for number in range(count))
    sort_pdus(data, 0, 100, frozenset([4]), SequenceWindow(), requests, [])
    return requests


@needs("gcc")
def test_what_is_freed_lets_go_of_all_it_held_and_is_made_again_empty() -> None:
    held = frames(3)
    data, before = held[1].data, sys.getrefcount(held[1].data)
    places = {id(one) for one in held}
    del held
    assert sys.getrefcount(data) == before - 1
    again = frames(3)
    assert {id(one) for one in again} == places
    assert [one.data[16:] for one in again] == [b"body 0", b"body 1", b"body 2"]
    assert not any(gc.is_tracked(one) for one in again), "nothing that a frame holds leads back to it"
    assert sys.getrefcount(data) == before - 1, "nothing of what it was before is left"
    many = frames(5_000)  # more than are kept
    assert len({id(one) for one in many}) == 5_000
    del many
    assert [one.data[16:] for one in frames(2_000)[::1_999]] == [b"body 0", b"body 1999"]


@needs("gcc")
def test_a_weak_reference_to_what_is_freed_says_so() -> None:
    frames(1)  # from then on they are made so
    transit = PendingSubmit(cast("Any", None), 1, b"data", 0.0)
    gone: list[int] = []
    weak = weakref.ref(transit, lambda _: gone.append(1))
    assert weak() is transit
    del transit
    assert (weak(), gone) == (None, [1])
    another = PendingSubmit(cast("Any", None), 2, b"data", 0.0)
    assert weakref.getweakrefcount(another) == 0


@needs("gcc")
def test_heirs_of_what_is_so_made_are_freed_with_what_is_their_own() -> None:
    frames(1)

    class Heir(PendingSubmit):
        __slots__ = ("more",)
        more: bytes

    own, data = bytes(9), b"some data"
    before = sys.getrefcount(own), sys.getrefcount(data), sys.getrefcount(Heir)
    heirs = [Heir(cast("Any", None), number, data, 0.0) for number in range(9)]
    for heir in heirs:
        heir.more = own
        heir.long = [heir]  # and a ring, which the collector finds
    assert sys.getrefcount(own) == before[0] + 9
    del heir, heirs
    gc.collect()
    assert (sys.getrefcount(own), sys.getrefcount(data), sys.getrefcount(Heir)) == before
    one = PendingSubmit(cast("Any", None), 1, data, 0.0)
    one.long = [one]
    del one
    assert gc.collect() == 2


# ---------------------------------------------------------------------------------------------------------------- lives


LIVES = int(os.environ.get("GATE106_LIVES", "25"))


def lives(*, pure: bool) -> str:
    env = os.environ | ({"GATE106_PURE": "1"} if pure else {})
    command = [sys.executable, "-m", "tests.lives", "900", str(LIVES), "30"]
    return subprocess.run(command, cwd=TESTS.parent, env=env, capture_output=True, text=True, timeout=600, check=True).stdout


@needs("gcc")
def test_simulations_and_loads_give_the_same_with_and_without_compiled_functions() -> None:
    """Journal, records, and what providers were told, to the octet: compiled functions of the relay do the plain cases by themselves, and lives have
    all the others beside them."""
    assert lives(pure=False) == lives(pure=True)


# ---------------------------------------------------------------------------------------------------------------- without


@needs("gcc")
@given(st.lists(st.one_of(st.floats(-1, 12), st.sampled_from(SECONDS_BUCKETS), st.just(float("inf")))))
def test_times_are_counted_in_the_same_buckets(seconds: list[float]) -> None:
    one, other = ([number % 3 for number in range(len(SECONDS_BUCKETS) + 1)] for _ in range(2))
    whole = compiled_version("add_to_buckets")(one, array("d", seconds))
    assert whole == pytest.approx(PURE["add_to_buckets"](other, array("d", seconds)))
    assert one == other


@pytest.mark.parametrize("files", [FILES, FILES_BACK], ids=["there", "back"])
def test_without_compiled_functions_their_tests_pass(files: list[str]) -> None:
    env = os.environ | {"GATE106_PURE": "1"}
    env.pop("PYTEST_ADDOPTS", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--no-header",
        "-p",
        "no:cacheprovider",
        *[str(TESTS / name) for name in files],
    ]
    done = subprocess.run(command, cwd=TESTS.parent, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def assert_none(why: str) -> None:
    modules, said = loader.built_modules()
    assert not modules
    assert why in said


@needs("gcc")
def test_modules_compiled_from_other_texts_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GATE106_PURE", raising=False)
    copied = tmp_path
    for text in json.loads((BUILT_FOLDER / "manifest.json").read_bytes())["texts"]:
        copied = tmp_path / text
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes((loader.ROOT / text).read_bytes())
    monkeypatch.setattr(loader, "ROOT", tmp_path)
    assert loader.built_modules()[0]
    copied.write_bytes(copied.read_bytes() + b"\n")
    assert_none("the source changed")


@needs("gcc")
def test_a_build_that_was_broken_off_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GATE106_PURE", raising=False)
    monkeypatch.setattr(loader, "BUILT_FOLDER", tmp_path)
    assert_none("nothing was compiled")
    (tmp_path / "manifest.json").write_text('{"texts": []')
    assert_none("nothing was compiled")


@needs("gcc")
def test_a_build_of_another_python_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATE106_PURE", raising=False)
    monkeypatch.setattr(loader, "EXTENSION_SUFFIXES", [".cpython-399-x86_64-linux-gnu.so"])
    assert_none("another version of Python")


def test_whoever_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE106_PURE", "1")
    assert_none("GATE106_PURE")
