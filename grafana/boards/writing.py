"""Writing: all boards, in both languages, as the files that Grafana reads.

In: the boards. Out: ``dashboards/<language>/<board>.json``. Never: a file of another name left behind.
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards.compliance import compliance
from grafana.boards.journal import journal
from grafana.boards.overview import overview
from grafana.boards.provider import provider
from grafana.boards.words import Tongue

FOLDER = Path(__file__).parent.parent / "dashboards"
BOARDS = {"overview": overview, "compliance": compliance, "provider": provider, "journal": journal}


def text_of(name: str, say: Tongue) -> str:
    """One board as JSON. Panels are numbered as they stand, so that links to one keep working."""
    board = BOARDS[name](say).build()
    for number, panel in enumerate(board.panels or [], 1):
        panel.id_val = number
    return json.dumps(board, cls=JSONEncoder, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def files() -> dict[Path, str]:
    """Every file, with what it should hold."""
    return {FOLDER / say.value / f"{name}.json": text_of(name, say) for say in Tongue for name in BOARDS}


def write() -> None:
    wanted = files()
    for old in FOLDER.glob("*/*.json"):
        if old not in wanted:
            old.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
