"""What traffic leaves on the disk, and what a start and a copy of that take: the figures of the guide's page on sizing.

In: a time. Out: JSON. Never: a figure that a real gate did not leave behind.

    python -m tests.soak.sizes --seconds 30 > tests/data/numbers/disk.json        (make numbers)

Messages and what the carrier answered are weighed in the bench's journal, receipts in the demo's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from proxy.desk import entries
from proxy.desk.disk import OsDisk
from proxy.desk.journal import read
from proxy.desk.segment import RECORD_HEAD_BYTES
from proxy.sim import bench, gate
from proxy.state.sqlite import SqliteStore


def sizes(seconds: float, recipients: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gate106-sizes-") as temporary:
        folder = Path(temporary)
        found = bench.run(bench.Options(seconds=seconds, recipients=recipients, baselines=False, keep=folder))
        store, journal = folder / "state.db", folder / "journal"
        persons, kept_bytes = _persons(store)
        verdicts, journal_bytes = _weigh(journal)
        started = time.monotonic()
        shutil.copytree(journal, folder / "copied")
        copy_s = time.monotonic() - started
        started = time.monotonic()
        with contextlib.closing(sqlite3.connect(store)) as database:
            database.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
        state_copy_s = time.monotonic() - started
        return {
            "command": f"python -m tests.soak.sizes --seconds {seconds:g} --recipients {recipients}",
            "at": found.at,
            "machine": found.machine,
            "messages": verdicts,
            "journal_bytes_a_message": round(journal_bytes / verdicts),
            "journal_bytes_a_receipt": round(_receipt_bytes()),
            "persons": persons,
            "state_bytes_a_person": round(kept_bytes / persons),
            "state_mb": round(store.stat().st_size / 1e6, 1),
            "copy_state_s": round(state_copy_s, 2),
            "copy_journal_mb_s": round(journal_bytes / 1e6 / max(copy_s, 0.001)),
            "start_s": round(_start_s(folder, folder / "gate106.yaml"), 1),
            "replay_messages": verdicts,
            "replay_s": round(_replay_s(folder), 1),
        }


def _persons(store: Path) -> tuple[int, int]:
    """How many people the state knows, and what the file has for them."""
    held = SqliteStore(store)
    persons = len(held)
    held.close()
    return persons, store.stat().st_size


def _weigh(journal: Path) -> tuple[int, int]:
    verdicts = sum(record.kind == entries.VERDICT for record in read(OsDisk(journal)))
    return verdicts, sum(path.stat().st_size for path in journal.glob("*.journal"))


def _receipt_bytes() -> float:
    """What a receipt or a reply takes: as it came, and that it was delivered."""
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "demo", "--seconds", "10", "--keep"], capture_output=True, text=True, check=True, env=gate.environment()
    )  # fmt: skip
    folder = Path(re.findall(r"/\S+", done.stdout.strip().splitlines()[-1])[0])
    came = weight = 0
    for record in read(OsDisk(next(folder.rglob("*.journal")).parent)):
        if record.kind in (entries.DELIVER, entries.DELIVERED):
            came += record.kind == entries.DELIVER
            weight += RECORD_HEAD_BYTES + len(record.body)
    shutil.rmtree(folder)
    return weight / came


def _start_s(folder: Path, settings: Path, *more: str) -> float:
    """From the start of the process to /readyz saying that it serves, whether a carrier is there or not."""
    started = time.monotonic()
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(settings), *more]
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.closing(ear):
        ear.bind(str(folder / f"notify-{started}"))
        ear.settimeout(600)
        environment = gate.environment() | {"NOTIFY_SOCKET": str(folder / f"notify-{started}")}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        ear.recv(4096)
        took = time.monotonic() - started
    process.kill()
    process.wait()
    return took


def _replay_s(folder: Path) -> float:
    """A start that replays all of the journal: from a state as it was at the first start."""
    (folder / "first").mkdir()
    shutil.copytree(folder / "copied", folder / "first" / "journal")
    settings = json.loads((folder / "gate106.yaml").read_text())
    settings |= {"store": f"sqlite://{folder / 'first' / 'state.db'}", "journal": str(folder / "first" / "journal")}
    (folder / "first.yaml").write_text(json.dumps(settings))
    return _start_s(folder, folder / "first.yaml", "--accept-loss")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--recipients", type=int, default=1_000_000)
    chosen = parser.parse_args()
    print(json.dumps(sizes(chosen.seconds, chosen.recipients), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
