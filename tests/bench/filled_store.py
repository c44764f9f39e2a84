"""Fills a store before its gate has ever run.

In: recipients. Out: a checkpoint, and a journal that belongs to it: each recipient has three messages of the days before, under signatures that no
text here has; with ``lived_in`` also lists, opt-outs and an erased person. Never: an entry that a rule counts today, an opt-out of an advertiser
that sends here.

    python -m tests.bench.filled_store \
        '{"state": "/tmp/x/state.db", "journal": "/tmp/x/journal", "people": 1000000, "refused": null, "messages": true, "lived_in": false}'

It runs as a process of its own, which gives its memory back when it ends.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from proxy.archive.secret_keys import ArchiveKeys
from proxy.journal.disk import OsDisk
from proxy.model.message import Category, hash48
from proxy.model.recipient import Entry, OptOut
from proxy.policy.renamed_senders import refused_text
from proxy.sim import gate_process, synthetic_recipients
from proxy.sim.bench.options import BenchFailed
from proxy.state.lists.suppression_lists import CHUNK_BITS, ListKey
from proxy.state.record import consent_facts, record, reply_ports
from proxy.state.stores.sqlite import SqliteStore

DAYS_AGO = (5, 4, 3)  # longer ago than any cap over days of the shipped rules looks back, and still kept
KEEP_S = 7 * 86_400
BATCH = 10_000
HIGHEST_ID = 1 << 20
REFUSING = 10  # one recipient in ten has opted out of somebody
LISTED = 1_000_000
FIRST, LAST = 13_000_000_000, 19_999_999_999  # the first and the last mobile number
OTHERS = "别处往年"
REFUSED_TEXT = "五金工具上新，电钻扳手套装满200减50，到店自提有礼 回T退订"


def fill(
    state: Path, journal: Path, count: int, refused: float | None = None, *, messages: bool = True, lived_in: bool = False
) -> None:
    """Writes checkpoint and journal. Raises BenchFailed. ``messages``: every recipient has three. ``lived_in``: with lists, opt-outs and an erased
    person."""
    given = {"state": str(state), "journal": str(journal), "people": count, "refused": refused}
    run_module(
        "tests.bench.filled_store", given | {"messages": messages, "lived_in": lived_in}, "the store could not be filled"
    )


def run_module(module: str, asked: Mapping[str, Any], failed: str) -> str:
    """What one of our own modules prints, in a process of its own. Raises BenchFailed with ``failed`` and its last words."""
    command = [sys.executable, "-m", module, json.dumps(asked)]
    made = subprocess.run(command, env=gate_process.environment(), capture_output=True, text=True, check=False)
    if made.returncode:
        raise BenchFailed(f"{failed}: {made.stderr.strip().splitlines()[-1:]}")
    return made.stdout


def write(state: Path, journal: Path, numbers: Sequence[int], *, messages: bool = True, lived_in: bool = False) -> None:
    """The same in this process, for these recipients."""
    store, now = SqliteStore(state), int(time.time())
    store.expect(len(numbers) if messages else len(numbers) // REFUSING)
    journal.mkdir(exist_ok=True)
    store.belongs_to(OsDisk(journal))
    plain, batch = _record(now) if messages else b"", []
    refusing = opted_out(plain or record.EMPTY, now) if lived_in else plain
    if lived_in:
        lists_and_erasure(store, state.parent / "keys", now)
    for place, number in enumerate(numbers):
        if data := plain if place % REFUSING else refusing:
            batch.append((number, 0, data))
        if len(batch) == BATCH:
            store.swap_now(batch)
            batch.clear()
    store.swap_now(batch)
    store.checkpoint_now(counted=0, open_from=0, highest_id=HIGHEST_ID)
    store.close()


def opted_out(data: bytes, now: int) -> bytes:
    """A record with a reply to another advertiser's message: the opt-out, where it was sent, and the refused text."""
    refusal = OptOut("advertiser", OTHERS, now - 30 * 86_400, "reply", 0)
    data = reply_ports.replied(record.opt_out(data, refusal), refusal, 7)
    return consent_facts.refused_text(data, refused_text(hash48(OTHERS), 7, f"【{OTHERS}】{REFUSED_TEXT}"))


def lists_and_erasure(store: SqliteStore, keys: Path, now: int) -> None:
    """Adds a list that is even over all mobile numbers, and one erased person."""
    rng, places = random.Random(106), range(FIRST >> CHUNK_BITS, (LAST >> CHUNK_BITS) + 1)
    for place in places:
        lows = BitMap(rng.sample(range(1 << CHUNK_BITS), LISTED // len(places)))
        store.listed.add(ListKey("advertiser", OTHERS, "import", 0), now, place, lows)
    store.listed.erased.named = named = ArchiveKeys(keys, make=True).person
    store.listed.erased.add(named(FIRST), FIRST)


def _record(now: int) -> bytes:
    data = record.EMPTY
    for number, days in enumerate(DAYS_AGO, 1):
        at = now - days * 86_400
        entry = Entry(number, at, number, number, number, Category.MARKETING, 0, number, 0, 0)
        data = record.add(data, entry, at, KEEP_S)
    return data


def main() -> None:
    given = json.loads(sys.argv[1])
    write(
        Path(given["state"]), Path(given["journal"]), synthetic_recipients.distinct_numbers(given["people"], refused=given["refused"]),
        messages=given["messages"], lived_in=given["lived_in"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
