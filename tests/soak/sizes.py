"""What traffic leaves on the disk, and what a start and a copy of that take: the figures of the guide's page on sizing.

In: a time. Out: JSON. Never: a figure that a real gate did not leave behind.

    python -m tests.soak.sizes --seconds 30 > tests/data/numbers/disk.json        (make numbers)

Messages and what the carrier answered are weighed in the bench's journal, receipts in the demo's.
"""

from __future__ import annotations

import argparse
import contextlib
import io
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
from typing import Any, NamedTuple

from rich.console import Console

from proxy.journal.disk import OsDisk
from proxy.journal.records import messages
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import RECORD_HEAD_BYTES
from proxy.journal.write_ahead_log import read
from proxy.sim import gate_process
from proxy.sim.demo import stage
from proxy.state.stores.sqlite import SqliteStore
from tests.bench import rounds
from tests.bench.options import MeasuringOptions

START_S = 600.0


def sizes(seconds: float, recipients: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gate106-sizes-") as temporary:
        folder = Path(temporary)
        found = rounds.run(MeasuringOptions(seconds=seconds, recipients=recipients, baselines=False, keep=folder))
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
            "start_s": round(_start(folder, "live", False).seconds, 1),
            "replayed_messages": verdicts,
            "start_with_replay_s": round(_start(folder, "replayed", True).seconds, 1),
            **_empty(folder),
        }


def _persons(store: Path) -> tuple[int, int]:
    """How many people the state knows, and what the file has for them."""
    held = SqliteStore(store)
    persons = len(held)
    held.close()
    return persons, store.stat().st_size


def _weigh(journal: Path) -> tuple[int, int]:
    verdicts = sum(record.kind == messages.VERDICT for record in read(OsDisk(journal)))
    return verdicts, sum(path.stat().st_size for path in journal.glob("*.journal"))


def _receipt_bytes() -> float:
    """What a receipt or a reply takes: as it came, and that it was delivered."""
    out = io.StringIO()
    if code := stage(Console(file=out), 10.0, keep=True):
        raise SystemExit(f"the demo ended with {code}: {out.getvalue()}")
    folder = Path(re.findall(r"/\S+", out.getvalue().strip().splitlines()[-1])[0])
    came = weight = 0
    ring = KeyRing.of_files([folder / gate_process.KEY])
    for record in read(OsDisk(next(folder.rglob("*.journal")).parent, ring)):
        if record.kind in (messages.DELIVER, messages.DELIVERED):
            came += record.kind == messages.DELIVER
            weight += RECORD_HEAD_BYTES + len(record.body)
    shutil.rmtree(folder)
    return weight / came


class Started(NamedTuple):
    seconds: float
    memory_mb: float


def _empty(folder: Path) -> dict[str, float]:
    found = _start(folder, "empty", False)
    return {"start_empty_s": round(found.seconds, 1), "memory_empty_mb": round(found.memory_mb)}


def _start(folder: Path, name: str, replay: bool) -> Started:
    """From the start of the process until it says that it is open: on what the bench left (``live``), on its journal only, which is
    then replayed whole, or on nothing."""
    settings = json.loads((folder / "gate106.yaml").read_text())
    if name != "live":
        (folder / name).mkdir()
        settings |= {"store": f"sqlite://{folder / name / 'state.db'}", "journal": str(folder / name / "journal")}
    if replay:
        shutil.copytree(folder / "copied", folder / name / "journal")
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(path), *(["--accept-loss"] if replay else [])]
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as ear:
        ear.bind(str(folder / f"{name}.notify"))
        ear.settimeout(START_S)
        environment = gate_process.environment() | {"NOTIFY_SOCKET": str(folder / f"{name}.notify")}
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            ear.recv(4096)
            seconds = time.monotonic() - began
            resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            assert resident is not None
            return Started(seconds, int(resident[1]) / 1e3)
        finally:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--recipients", type=int, default=1_000_000)
    chosen = parser.parse_args()
    print(json.dumps(sizes(chosen.seconds, chosen.recipients), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
