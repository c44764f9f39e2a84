"""What a gate of an earlier commit left when it was killed, today's gate goes on from; what a later one left, it leaves alone.

The states are real: `python -m tests.upgrade.record` had those commits' gates make them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import tarfile
import time
from binascii import crc32
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from proxy.journal.encoding import pack
from proxy.journal.records.messages import CLOCK, Clock
from proxy.journal.segment import HEADER_BYTES, REDACTED, UNDER_SEAL
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.server.process import StartError, serve
from proxy.state.embedded.checkpoint import FORMAT
from tests.upgrade.desk import answers
from tests.upgrade.ends import AD, NOTICE, REJECTED, ROOT, Ends, until
from tests.upgrade.people import (  # fmt: skip
    ALL_CAP,
    BACK,
    CAPPED,
    FREE,
    GONE,
    IMPORTED,
    LATE,
    LONG,
    ONCE,
    REFUSED,
    SUPPRESSED,
    TIBETAN,
    UNANSWERED,
    WHILE_AWAY,
)

STATES = sorted((ROOT / "tests" / "data" / "upgrade").glob("*.tar.xz"))
LATER_S = 60.0
"""Today's gate comes so long after the earlier one was killed."""
COUNTED = {CAPPED: 3, LONG: 1, ONCE: 2, BACK: 1, GONE: 0, UNANSWERED: 1}
LATER_KIND = 254
LATER_FORM = UNDER_SEAL + REDACTED + 1


def unpacked(state: Path, folder: Path) -> dict[str, float]:
    """The earlier gate's files in the folder; when it was killed and what its carrier had given out."""
    with tarfile.open(state) as archive:
        archive.extractall(folder, filter="data")
    return dict(json.loads((folder / "story.json").read_text()))


def holds_answers(state: Path) -> bool:
    """Whether the earlier gate was asked the questions of the desk."""
    with tarfile.open(state) as archive:
        return "answers.json" in archive.getnames()


def test_there_is_a_state_of_an_earlier_gate_and_it_is_small() -> None:
    assert STATES
    assert sum(path.stat().st_size for path in STATES) < 200_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("state", STATES, ids=lambda path: path.name.partition(".")[0])
def test_todays_gate_goes_on_from_what_an_earlier_one_left(state: Path, tmp_path: Path) -> None:
    told = unpacked(state, tmp_path)
    asyncio.run(goes_on(Ends(tmp_path), told["at"] + LATER_S, int(told["next_id"])))


async def goes_on(ends: Ends, at: float, next_id: int) -> None:
    began, had_sets = time.time(), (ends.folder / "revisions").exists()
    try:
        await ends.open(next_id)
        await ends.start(at)
        await keeps_mail_and_orders(ends)
        await keeps_counting(ends)
        await keeps_refusals(ends)
        await keeps_rules(ends, had_sets)
        await ends.stop()
        assert "the chain holds" in await ends.command("journal", "verify", str(ends.folder / "journal"), config=False)
        await ends.start(at + time.time() - began)  # from a checkpoint of its own
        jia = await ends.bind("jia")
        assert {await jia.say(person, AD.format(9)) for person in COUNTED if person not in (GONE, UNANSWERED)} == {
            REJECTED["cap"]
        }
        assert await jia.say(REFUSED, AD.format(9)) == REJECTED["suppressed"]
        await ends.stop()
    finally:
        await ends.close()


async def keeps_counting(ends: Ends) -> None:
    jia, yi = await ends.bind("jia"), await ends.bind("yi")
    for person, counted in COUNTED.items():
        if person not in (GONE, UNANSWERED):  # whose next ones would be taken back, or wait for their answer, too
            said = [await jia.say(person, AD.format(f"今{place}")) for place in range(ALL_CAP - counted + 1)]
            assert said == [0] * (ALL_CAP - counted) + [REJECTED["cap"]], person
    assert [await jia.say(GONE, AD.format(f"退{place}")) for place in range(ALL_CAP + 1)] == [0x45] * (ALL_CAP + 1)
    waiting = [jia.submit(UNANSWERED, AD.format(f"等{place}")) for place in range(3)]
    await until(lambda: waiting[-1] in jia.answers, "an answer to what is one too many")
    assert jia.answers[waiting[-1]][0] == REJECTED["cap"]
    assert [await yi.say(FREE, NOTICE.format(place)) for place in range(3, 6)] == [0, 0, REJECTED["quota"]]
    jia.drop()
    yi.drop()


async def keeps_refusals(ends: Ends) -> None:
    jia = await ends.bind("jia")
    for person in (REFUSED, LATE, SUPPRESSED, *IMPORTED):
        assert await jia.say(person, AD.format("?")) == REJECTED["suppressed"], person
    jia.drop()


async def keeps_mail_and_orders(ends: Ends) -> None:
    jia, yi = await ends.bind("jia"), await ends.bind("yi")
    await until(lambda: len(yi.replies) == 2, "what waited for yi")
    assert yi.replies == list(WHILE_AWAY)
    assert await jia.say(TIBETAN, AD.format("!")) == REJECTED["stopped"]
    jia.drop()
    yi.drop()


async def keeps_rules(ends: Ends, had_sets: bool) -> None:
    """Also the set that was in force before, where the earlier gate kept sets."""
    jia = await ends.bind("jia")
    assert await jia.say(FREE, AD.format("五合彩")) == REJECTED["words"]
    if had_sets:
        said = json.loads(await ends.command("rules", "history", "--json"))[
            "events"
        ]  # the words that ship may have changed meanwhile
        await ends.command("rules", "rollback", said[-1]["revision"], "--why", "they are too strict")
        assert await jia.say(FREE, AD.format("五合彩")) == 0
    jia.drop()


@pytest.mark.parametrize(
    "state", [state for state in STATES if holds_answers(state)], ids=lambda path: path.name.partition(".")[0]
)
def test_todays_gate_answers_as_the_earlier_one_did_from_the_same_files(state: Path, tmp_path: Path) -> None:
    told = unpacked(state, tmp_path)
    before = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))
    now = _of_the_same_set(asyncio.run(asked(Ends(tmp_path), told["at"])), before)
    for this, then in zip(now, before, strict=True):
        assert _as_told(this, then) == then, then["words"]


def _as_told(now: Any, then: Any) -> Any:
    """Without keys that were added since. Whether a person was erased is null since, where the key to know it is not there. Chinese sentences
    have Chinese marks since."""
    if isinstance(now, str) and isinstance(then, str):
        return then if normalize("NFKC", now) == normalize("NFKC", then) else now
    if isinstance(now, dict) and isinstance(then, dict):
        told = {key: _as_told(now[key], then[key]) for key in then if key in now}
        return told | {"forgotten": False} if told.get("forgotten", False) is None else told
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [_as_told(one, other) for one, other in zip(now, then, strict=True)]
    return now


def _of_the_same_set(now: Any, before: Any) -> Any:
    """As if today's start had brought no set of rules: the words that ship may have changed, and then they make another revision."""
    here, there = ([one["said"] for one in answers if one["words"] == ["rules", "history"]] for answers in (now, before))
    if not here or len(here[0]["events"]) == len(there[0]["events"]):
        return now
    new, old = here[0]["events"].pop(0), here[0]["events"][0]
    assert new["how"] == "start"
    here[0]["kept"] -= 1
    return json.loads(json.dumps(now).replace(new["revision"], old["revision"]))


async def asked(ends: Ends, at: float) -> list[dict[str, object]]:
    try:
        await ends.open()
        return await answers(ends, at)
    finally:
        await ends.close()


# -- what a later gate left


def refused(folder: Path) -> str:
    """What today's gate says instead of starting; nothing was changed."""
    ends = Ends(folder)
    ends.write_settings(1)
    before = {path: path.read_bytes() for path in (folder / "journal").iterdir()}
    with pytest.raises(StartError) as says:
        serve(ends.settings)
    assert {path: path.read_bytes() for path in (folder / "journal").iterdir()} == before
    return str(says.value)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    unpacked(STATES[0], tmp_path)
    return tmp_path


def test_a_store_of_a_later_format_is_refused_and_says_so(left: Path) -> None:
    with contextlib.closing(sqlite3.connect(left / "state.db")) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"its format {FORMAT + 1} is newer than this gate knows ({FORMAT}); use a newer gate" in refused(left)


def test_a_journal_with_a_kind_of_record_that_a_later_gate_made_is_refused_and_says_so(left: Path) -> None:
    journal = Journal(OsDisk(left / "journal"))
    sequence = journal.append(LATER_KIND, b"what nobody here knows")
    journal.close(time.time())
    said = refused(left)
    assert f"journal record {sequence}: its kind {LATER_KIND} is newer than this gate knows; use a newer gate" in said


def as_later(path: Path) -> None:
    """The segment's header says a format of later."""
    data = bytearray(path.read_bytes())
    data[8:10] = LATER_FORM.to_bytes(2, "big")
    data[HEADER_BYTES - 4 : HEADER_BYTES] = crc32(data[: HEADER_BYTES - 4]).to_bytes(4, "big")
    path.write_bytes(data)


LATER = f"its format {LATER_FORM} is newer than this gate knows ({LATER_FORM - 1}); use a newer gate"


def test_a_journal_of_a_later_format_is_refused_and_says_so(left: Path) -> None:
    for path in (left / "journal").glob("*.journal"):
        as_later(path)
    assert LATER in refused(left)


@pytest.mark.parametrize("torn_octets", [0, 5])
def test_a_segment_of_a_later_format_is_not_taken_for_a_torn_tail(left: Path, torn_octets: int) -> None:
    """Nobody has claimed yet that it is safe: in a format that is known it would be cut."""
    journal = Journal(OsDisk(left / "journal"), segment_bytes=1)
    for number in range(2):
        journal.append(CLOCK, pack(Clock(float(number), 0.0)))
        journal.write(time.time())
    journal.disk.close()
    *_, before, newest = sorted((left / "journal").glob("*.journal"))
    as_later(newest)
    os.truncate(before, before.stat().st_size - torn_octets)
    assert LATER in refused(left)
