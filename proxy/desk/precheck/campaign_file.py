"""Reads the campaign file that a provider hands in before sending.

In: a text file (one text a line), or CSV with a heading (text, and perhaps to, from); in UTF-8, GBK or UTF-16. Out: its texts with their
recipients, in order. Never: half a file: a fault is reported with its line, and nothing is checked.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from proxy.model.number import NotARecipient, masked_repr, recipient_of
from proxy.operations.files.row_files import encoding_of
from proxy.policy.registries.table_words import NUMBERS, places

HEADINGS = {"text": ("内容", "短信内容", "文本", "文案"), "to": NUMBERS, "from": ("端口", "端口号", "接入号")}
"""Columns by what people call them; others are passed over."""
FILE_BYTES_MAX = 256 * 1024 * 1024
TEXTS_MAX = 5_000
"""Different texts: each takes some milliseconds, and a campaign has a few."""
PEOPLE_MAX = 500_000
"""Of whom each has a past of half a kilobyte while the campaign is gone through."""
TEXT_MAX = 20 * 153  # characters: a message has at most 20 parts


class BadCampaign(Exception):
    """The file cannot be used; the text says why and where."""


@masked_repr
@dataclass
class CampaignText:
    line: int  # where it stands first
    text: str
    port: str  # empty: the campaign's
    people: list[int] = field(default_factory=list)


def read_campaign(path: Path) -> list[CampaignText]:
    """The different texts of a file, each with its people, in the order of the file. BadCampaign."""
    found: dict[tuple[str, str], CampaignText] = {}
    people = 0
    for line, cells in _rows(path):
        text, port = cells["text"], cells.get("from", "")
        if not text or len(text) > TEXT_MAX:
            raise BadCampaign(f"{path}:{line}: text: {'is empty' if not text else f'longer than {TEXT_MAX} characters'}")
        if port and not (port.isascii() and port.isdigit() and len(port) <= 20):
            raise BadCampaign(f"{path}:{line}: from: {port[:30]!r} is no port (at most 20 digits)")
        one = found.setdefault((text, port), CampaignText(line, text, port))
        if len(found) > TEXTS_MAX:
            raise BadCampaign(
                f"{path}:{line}: more than {TEXTS_MAX} different texts (check each template once, or split the file)"
            )
        if cells.get("to"):
            people += 1
            if people > PEOPLE_MAX:
                raise BadCampaign(f"{path}:{line}: more than {PEOPLE_MAX} recipients (split the file)")
            try:
                one.people.append(recipient_of(cells["to"]))
            except NotARecipient as fault:
                raise BadCampaign(f"{path}:{line}: to: {fault.why}") from None
    if not found:
        raise BadCampaign(f"{path}: holds no text (one a line, or CSV with a column text)")
    return list(found.values())


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    line = 1
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise BadCampaign(f"{path}: larger than {FILE_BYTES_MAX // 2**20} MiB (split the file)")
        with path.open(encoding=encoding_of(path), newline="") as file:
            first = file.readline().lstrip("\ufeff")
            cells = next(csv.reader([first]), [])
            heads, _ = places(cells, HEADINGS)
            columns = [next((name for name, at in heads.items() if at == place), None) for place in range(len(cells))]
            if "text" in columns:
                for row in (reader := csv.reader(file)):
                    line = 1 + reader.line_num
                    if any(cell.strip() for cell in row):
                        if "text" not in columns[: len(row)] or any(cell.strip() for cell in row[len(columns) :]):
                            raise BadCampaign(f"{path}:{line}: {len(row)} columns, the heading has {len(columns)}")
                        yield line, {name: cell.strip() for name, cell in zip(columns, row, strict=False) if name}
            elif path.suffix.lower() == ".csv":
                raise BadCampaign(
                    f"{path}:1: no column 'text' in the heading (text,to,from; a file of plain lines ends in .txt)"
                )
            else:
                file.seek(0)
                lines = enumerate((line.strip().lstrip("\ufeff") for line in file), 1)
                yield from ((number, {"text": line}) for number, line in lines if line)
    except csv.Error as fault:
        raise BadCampaign(f"{path}:{line}: no CSV: {fault}") from None
    except OSError as fault:
        raise BadCampaign(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except UnicodeError:
        raise BadCampaign(f"{path}: neither UTF-8 nor GBK nor UTF-16 (save the file as UTF-8)") from None
