"""Compiled modules give the same results as their texts run by Python.

Whole lives are compared, and the tests of hot packages run without compiled modules.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.model.sequence_window import SequenceWindow
from proxy.native import loader
from proxy.native.loader import BUILT_FOLDER
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire import Frame
from proxy.wire.frame import sort_pdus
from tests import lives
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
    "wire/test_deliver.py",
    "wire/test_receipt_ids.py",
    "state/mailbox/test_mailbox.py",
    "relay/test_deliver.py",
]
"""Tests of modules that are compiled."""


# ---------------------------------------------------------------------------------------------------------------- journal and wire


def pdu(command_id: int, body: bytes, length: int | None = None) -> bytes:
    head = (16 + len(body) if length is None else length, command_id, 0, 7)
    return b"".join(one.to_bytes(4, "big") for one in head) + body


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


LIVES = int(os.environ.get("GATE106_LIVES", "5"))
"""Worlds, and turns of each mix of texts, of which 30 are enough; a campaign has 600."""


ASKED = 900, LIVES, min(LIVES, 30)


def pure_lives() -> list[str]:
    command = [sys.executable, "-m", "tests.lives", *map(str, ASKED)]
    env = os.environ | {"GATE106_PURE": "1"}
    done = subprocess.run(command, cwd=TESTS.parent, env=env, capture_output=True, text=True, timeout=600, check=True)
    return done.stdout.splitlines()


@needs("gcc")
def test_simulations_and_loads_give_the_same_with_and_without_compiled_functions() -> None:
    """Journal, records, and what providers were told, to the octet: compiled functions of the relay do the plain cases by themselves, and lives have
    all the others beside them."""
    assert [*lives.lines(*ASKED)] == pure_lives()


# ---------------------------------------------------------------------------------------------------------------- without


DEAR = (
    "not killed and not flipped and not room and not 40000 and not 70000 and not kill_during and not groups_come_beside and not outlives"
    " and not comes_but_once and not torn_off and not kept_later_pages and not crowded_record and not character_settles and not grew_or_emptied and not comes_back_whole and not while_the_table_grows and not many_are_stored"
    " and not loaded_twice and not marks_of_other_groups and not grows_past_many and not no_event_loop and not pieces_with_rests"
)
"""Tests of the journal and of large tables that take most of the time: left to ``make campaign``."""


def test_without_compiled_functions_their_tests_pass() -> None:
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
        "-k",
        "" if "GATE106_LIVES" in os.environ else DEAR,
        *[str(TESTS / name) for name in FILES],
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
