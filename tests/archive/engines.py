"""The guide's statements for tables of several nodes, and two nodes for them.

In: the files of docs/sql, where the tables of a test lie. Out: statements; answers of DuckDB. Never: a statement that the guide
does not show.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb

from proxy.journal.encoding import pack
from proxy.journal.records import delivers, messages
from proxy.journal.write_ahead_log import Journal
from proxy.model.recipient import OptOut
from proxy.wire import deliver_sm, receipt_text
from proxy.wire.tables import ESM_RECEIPT
from tests.archive.journals import HOUR, Shelf, busy, nights, synced
from tests.harness import NOON, SHANGHAI, Harness
from tests.journal.memory_disk import MemoryDisk

SQL = Path(__file__).parents[2] / "docs" / "sql"
VIEWS = ("files", "rows", "advertisers")
DAY = "2025-11-11"
"""That nodes of tests live in."""
PERIODS = (("2025-11-01", DAY), (DAY, "2025-11-12"), ("2025-11-12", "2025-11-12"))
"""First and last days of which questions are asked anew."""


def statements(path: Path, shelf: Shelf | None, person: int = 0) -> list[str]:
    """Those of a file, asked of the tables and days of a test."""
    said = path.read_text("utf-8")
    folder = shelf.folder if shelf is not None else Path()
    for place, here in (
        ("/var/lib/gate106/archive", str(folder)),
        ("/etc/gate106/rules", str(folder.parent / "rules")),
        ("1234567890", str(person)),
        ("2026-11-11", DAY),
        ("2026-", "2025-"),
    ):
        said = said.replace(place, here)
    plain = "\n".join(line for line in said.splitlines() if not line.startswith("--"))
    return [one.strip() for one in re.split(r";\s*(?:\n|$)", plain) if one.strip()]


def questions() -> list[Path]:
    return sorted((SQL / "questions").glob("*.sql"))


def duck(shelf: Shelf) -> duckdb.DuckDBPyConnection:
    """With the guide's views."""
    engine = duckdb.connect(config={"autoinstall_known_extensions": False})
    engine.execute("SET TimeZone = 'UTC'")
    for name in VIEWS:
        for one in statements(SQL / "duckdb" / f"{name}.sql", shelf):
            engine.execute(one)
    return engine


def of_days(statement: str, first: str, last: str) -> str:
    """The same of other days; what is about one day, of the last one."""
    statement = re.sub(r"(BETWEEN|>=) '2025-11-01'( AND '2025-11-30')?", f"BETWEEN '{first}' AND '{last}'", statement)
    return statement.replace(f"= '{DAY}'", f"= '{last}'")


Answers = dict[str, list[dict[str, Any]]]


def answers(engine: duckdb.DuckDBPyConnection, shelf: Shelf, person: int, days: tuple[str, str] | None = None) -> Answers:
    """Of all questions of the guide."""
    found = {}
    for path in questions():
        (one,) = statements(path, shelf, person)
        if days is not None:
            one = of_days(one, *days)
        said = engine.execute(one)
        names = [column[0] for column in said.description or ()]
        found[path.stem] = [dict(zip(names, row, strict=True)) for row in said.fetchall()]
    return found


def two_nodes(tmp_path: Path) -> tuple[Shelf, int]:
    """Two nodes with a day that is over and hours behind it: everybody gets a message an hour from both, one refuses and is sent more, some get
    receipts. With it the person who refused."""
    shelf = Shelf(tmp_path)
    registry = tmp_path / "rules" / "registries"
    registry.mkdir(parents=True)
    (registry / "signatures.csv").write_text(
        "# signature,advertiser\nsignature,advertiser,group,provider,port,state,from,to\n甲店,甲店有限公司,甲集团,jia,,approved,,\n"
    )
    for node in (0, 1):
        (tmp_path / str(node)).mkdir()
        harness = Harness(tmp_path / str(node))
        harness.disk = MemoryDisk()
        harness.journal = harness.relay.commit.journal = Journal(harness.disk, node)
        nights(harness, people=3 + node)
        busy(harness, 3, people=3, start=14)
        if node:
            _refuses(harness)
        shelf.roll(harness.disk, harness.now)
        shelf.disks[node] = harness.disk
    return shelf, shelf.keys.person(SHANGHAI)


def _refuses(harness: Harness) -> None:
    """Somebody got a receipt, refuses, and is sent more; then hours pass."""
    text = receipt_text("B1", "DELIVRD", submit_date="2511120100", done_date="2511120101")
    data = deliver_sm(str(SHANGHAI), "1069001", text.encode(), esm_class=ESM_RECEIPT)
    harness.journal.append(
        messages.DELIVER, pack(delivers.DeliverRecord(harness.now, "receipt", str(SHANGHAI), "1069001", "jia", data))
    )
    refusal, other = (OptOut("signature", shop, int(harness.now), "reply", 0) for shop in ("甲店", "乙店"))
    reply = deliver_sm(str(SHANGHAI), "1069001", b"R")
    harness.journal.append(messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI, refusal, "1069001", "jia", "R")))
    harness.journal.append(messages.OPTOUT, pack(delivers.OptedOut(harness.now, SHANGHAI, other, "1069001", "jia", "R")))
    harness.journal.append(
        messages.DELIVER, pack(delivers.DeliverRecord(harness.now, "optout", str(SHANGHAI), "1069001", "jia", reply))
    )
    harness.now += 60
    harness.submit("jia", SHANGHAI, "【甲店】还有上新 拒收请回复R")
    synced(harness)
    harness.now = NOON + 40 * HOUR
    harness.submit("jia", SHANGHAI + 7, "【甲店】明天见 拒收请回复R")
    synced(harness)
