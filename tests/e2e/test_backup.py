"""Backup and restore, with the guide's own commands, of a real gate that goes on meanwhile; and what is refused when pieces do not fit."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.state import open_store
from tests import forked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

MakeGate = Callable[..., Gate]
GUIDE = ROOT / "docs" / "backup.md"
REFUSER, SOMEBODY, CAPPED = "13800210801", "13800210802", "13800210803"
NOT_PERMITTED, RECIPIENT_CAP = 0x420, 0x410
RULES = """\
rules:
  - {id: suppressed, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: cap, when: {category: marketing}, limit: {count: 3, per: 24h, key: [recipient]}, then: reject, reason: recipient-cap}
"""


def commands(heading: str) -> str:
    """The shell lines under a heading of the guide's page."""
    parts = re.split(r"^## (.+)\n", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading]
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks, heading
    return str(blocks[0])


def shell(text: str, folder: Path, backup: Path) -> str:
    """Runs the guide's lines where this test's gate lives, as the user who runs the test."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, line in (
        ("gate106", f'exec {forked.shell_command()} "$@"'),
        ("systemctl", "exit 0"),  # the test stops and starts the gate itself
        ("chown", "exit 0"),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    text = text.replace("/var/lib/gate106", str(folder / "live")).replace("/backup", str(backup))
    text = text.replace("/etc/gate106", str(folder))
    script = f'set -eu\nexport PATH="{tools}:$PATH" PYTHONPATH="{ROOT}"\n{text}'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def marketing_gate(carrier: Carrier, make_gate: MakeGate, folder: Path) -> Gate:
    """State and journal lie in the folder ``live``."""
    live = {"store": f"sqlite://{folder}/live/state.db", "journal": f"{folder}/live/journal"}
    gate = make_gate(carrier.port, [provider("jia", "1069001", category="marketing", confirm="")], **live)
    gate.write_rules(RULES)
    return gate


@contextmanager
def traffic(gate: Gate) -> Iterator[list[int]]:
    """Messages to ever new people, one after the other, until the block ends. Yields the statuses so far."""
    statuses: list[int] = []
    over = threading.Event()

    def send() -> None:
        with Raw(gate.port) as client:
            client.bind("jia")
            while not over.is_set():
                statuses.append(client.submit("1069001", f"139002{len(statuses):05d}").status)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        until(lambda: len(statuses) > 20, "traffic")
        yield statuses
        goal = len(statuses) + 20
        until(lambda: len(statuses) > goal, "traffic that goes on")
    finally:
        over.set()
        sender.join()


def lived(gate: Gate, carrier: Carrier) -> None:
    """A person has refused, another has had three advertisements."""
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", REFUSER).status == 0
        assert carrier.acknowledged(carrier.reply(REFUSER, "1069001", b"TD")).status == 0
        client.delivered()
        for _ in range(3):
            assert client.submit("1069001", CAPPED).status == 0


def remembers(gate: Gate) -> None:
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", REFUSER).status == NOT_PERMITTED
        assert client.submit("1069001", CAPPED).status == RECIPIENT_CAP
        assert client.submit("1069001", SOMEBODY).status == 0


def test_a_copy_made_by_the_guide_s_commands_while_messages_pass_is_a_gate_that_remembers(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = marketing_gate(carrier, make_gate, tmp_path).start()
    lived(gate, carrier)
    with traffic(gate):
        said = shell(commands("Making a copy"), tmp_path, tmp_path / "backup")
    assert "the chain holds" in said
    assert gate.stop() == 0
    shutil.rmtree(tmp_path / "live" / "journal")  # the disk is gone
    (copy,) = (tmp_path / "backup").iterdir()
    shell(commands("Going back to a copy").replace("COPY", copy.name), tmp_path, tmp_path / "backup")
    assert (tmp_path / "live.lost").is_dir()
    gate.start()
    remembers(gate)


def test_a_state_of_yesterday_and_a_journal_of_now_make_a_gate_of_now(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = marketing_gate(carrier, make_gate, tmp_path).start()
    with traffic(gate):
        shell(commands("Making a copy"), tmp_path, tmp_path / "backup")
    lived(gate, carrier)  # after the copy
    (copy,) = (tmp_path / "backup").iterdir()
    shell(commands("Between two copies").replace("COPY", copy.name), tmp_path, tmp_path / "backup")
    assert gate.stop() == 0
    shell(commands("Going back to a copy").replace("COPY", copy.name), tmp_path, tmp_path / "backup")
    gate.start()
    remembers(gate)


def refused(gate: Gate) -> str:
    done = run("serve", "--config", gate.config)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_pieces_that_do_not_belong_together_are_refused_in_the_words_of_the_guide(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = marketing_gate(carrier, make_gate, tmp_path).start()
    lived(gate, carrier)
    assert gate.stop() == 0
    live, aside = tmp_path / "live", tmp_path / "aside"
    guide = (GUIDE.parent / "trouble.md").read_text(encoding="utf-8")

    def told(shown: str) -> None:
        assert shown in refused(gate)
        assert f"`… {shown} …`" in guide

    shutil.move(live / "journal", aside)
    told("was made with a journal that is not in")
    shutil.rmtree(live / "journal")
    shutil.move(aside, live / "journal")
    identity = (live / "journal" / "identity").read_text()
    (live / "journal" / "identity").write_text("0" * 32 + "\n")
    told("is not the one store")
    (live / "journal" / "identity").write_text(identity)
    shutil.move(live / "state.db", aside)
    told("has records, but store")
    shutil.move(aside, live / "state.db")
    (segment,) = (live / "journal").glob("*.journal")
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) // 2])
    told("had been synced")
    segment.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    told("is damaged at offset")
    segment.write_bytes(whole)
    gate.start()
    remembers(gate)


def test_without_the_state_accept_loss_replays_the_whole_journal(carrier: Carrier, make_gate: MakeGate, tmp_path: Path) -> None:
    """What the guide promises of a lost state."""
    gate = marketing_gate(carrier, make_gate, tmp_path).start()
    lived(gate, carrier)
    assert gate.stop() == 0
    for path in (tmp_path / "live").glob("state.db*"):
        path.unlink()
    gate.start(more=("--accept-loss",))
    remembers(gate)
    assert gate.stop() == 0
    gate.start()  # and from then on as ever
    remembers(gate)


def test_old_segments_are_removed_by_the_guide_s_commands_while_messages_pass(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = marketing_gate(carrier, make_gate, tmp_path)
    journal = tmp_path / "live" / "journal"
    _old_beginning(journal)
    gate.start(more=("--accept-loss",))
    lived(gate, carrier)
    assert gate.stop() == 0
    gate.start()
    before = sorted(journal.glob("*.journal"))
    with traffic(gate):
        said = shell(
            f"export GATE106_CONTROL={gate.settings['control']}\n{commands('Room on the disk')}", tmp_path, tmp_path / "backup"
        )
    assert said.splitlines()[0].startswith("would be removed: 110 segments"), said
    assert said.splitlines()[3].startswith("removed: 110 segments"), said
    assert sorted(journal.glob("*.journal"))[: len(before) - 110] == before[110:]
    assert gate.stop() == 0
    gate.start()
    remembers(gate)
    assert gate.stop() == 0
    assert run("journal", "verify", journal).returncode == 0


def test_a_copy_that_was_overtaken_by_what_the_gate_removed_is_brought_up_to_now_all_the_same(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = marketing_gate(carrier, make_gate, tmp_path)
    journal, backups = tmp_path / "live" / "journal", tmp_path / "backup"
    _old_beginning(journal, 300, 280)
    _state_beside(journal)
    shell(commands("Making a copy"), tmp_path, backups)
    (copy,) = backups.iterdir()
    _old_beginning(journal, 279)
    gate.start()
    lived(gate, carrier)
    assert gate.stop() == 0  # so that a checkpoint has all of it
    gate.start()
    update = commands("Between two copies").replace("COPY", copy.name)
    with traffic(gate):
        shell(
            f"export GATE106_CONTROL={gate.settings['control']}\n{commands('Room on the disk')}", tmp_path, backups
        )  # removes what the copy does not have
        said = shell(update, tmp_path, backups)
        assert "were removed by the gate before they were copied: " in said, said
        assert "disk nearly full" in said
        assert "are not here: they were removed" in run("journal", "verify", copy / "journal").stdout
        assert "were removed by the gate" in shell(update, tmp_path, backups), "and once more"
    assert gate.stop() == 0
    shell(commands("Going back to a copy").replace("COPY", copy.name), tmp_path, backups)
    gate.start()
    remembers(gate)
    assert gate.stop() == 0
    assert run("journal", "verify", journal).returncode == 0


def test_what_somebody_took_away_is_named_and_the_copy_stays_as_it_was(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = marketing_gate(carrier, make_gate, tmp_path)
    journal, copy = tmp_path / "live" / "journal", tmp_path / "copy"
    _old_beginning(journal, 60, 40)
    _state_beside(journal)
    assert run("backup", "make", copy, "--config", gate.config).returncode == 0
    _old_beginning(journal, 39, 20)
    for path in sorted(journal.glob("*.journal"))[:30]:
        path.unlink()
    done = run("backup", "make", copy, "--update", "--config", gate.config)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "none of the others says that they were removed" in done.stderr
    assert run("backup", "check", copy).returncode == 0


def _state_beside(journal: Path) -> None:
    """A gate's that has only begun: what has a clock of today would not be old."""
    store = open_store(f"sqlite://{journal.parent}/state.db", accept_loss=True)
    store.belongs_to(OsDisk(journal))
    store.close()


def _old_beginning(folder: Path, since: int = 300, until: int = 1) -> None:
    """A segment a day, from so many days ago."""
    journal, now = Journal(OsDisk(folder)), time.time()
    for day in range(since, until - 1, -1):
        journal.append(messages.CLOCK, pack(messages.Clock(now - day * 86_400, 0.0)))
        journal.write(now - day * 86_400)
    journal.note_synced(journal.sync())
    journal.close()
