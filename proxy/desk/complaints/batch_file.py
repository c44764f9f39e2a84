"""Reads a file of complaints, as 12321 sends it.

Never: half a file, a guess at what a column is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.desk.complaints.book import HIDDEN_DIGIT
from proxy.model.number import NotARecipient, recipient_of
from proxy.operations.files.row_files import FileFaults, not_headings
from proxy.policy.registries.table_words import places, plain
from proxy.policy.time_windows import table_moment

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "reference": ("case", "case id", "reference", "complaint id", "编号", "投诉编号", "举报编号", "工单号", "工单编号", "受理编号", "流水号"),
    "number": (
        "complainant", "complainant number", "number", "recipient", "phone", "投诉号码", "投诉人号码", "举报人号码", "举报人手机号",
        "投诉人", "手机号", "手机号码", "接收号码", "被叫号码",
    ),
    "sender": (
        "reported number", "reported", "sender", "from", "port", "被举报号码", "被投诉号码", "发送号码", "发送端口", "端口", "端口号",
        "主叫号码", "不良号码",
    ),
    "at": ("time", "received", "received at", "at", "接收时间", "短信接收时间", "收到时间", "短信时间", "发送时间", "时间"),
    "text": ("text", "content", "message", "短信内容", "内容", "举报内容", "投诉内容", "文本"),
    "came": ("complained", "complained at", "date", "forwarded at", "投诉时间", "举报时间", "受理时间", "转办时间", "下发时间", "派单时间"),
}  # fmt: skip
"""What a column may be called."""
NEEDED = ("number",)
UNREAD = ("序号", "行号", "no", "#")
"""Columns that say nothing of a complaint: the number of its row."""
AHEAD_S = 86_400.0
"""Clocks differ, and a day may be written without its hour."""
_HIDDEN = re.compile(r"[*xX＊●•·#]")


@dataclass
class ComplaintBatch(FileFaults):
    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Of the rows, in the file."""


def read_batch(
    name: str, rows: Iterable[tuple[int, list[str]]], now: float, ignore: Collection[str] = ()
) -> ComplaintBatch:  # fmt: skip
    """Reads a batch. ``now``: times after it (and a day) are faults; ``ignore``: headings to be dropped."""
    batch, dropped = ComplaintBatch(name), set(map(plain, ignore))
    heads: dict[str, int] = {}
    for line, cells in rows:
        if cells[0].startswith("#"):
            continue
        if not heads:
            heads, unknown = places(["" if plain(cell) in dropped else cell for cell in cells], COLUMNS)
            batch.heading, batch.unknown = line, [one for one in unknown if plain(one) not in UNREAD]
            batch.ignored = [cell.strip() for cell in cells if cell.strip() and plain(cell) in dropped]
            for fault in not_headings(ignore, cells):
                batch.note(line, f"--ignore: {fault}")
            if batch.bad:
                return batch
            if missing := [one for one in NEEDED if one not in heads]:
                words = f"{COLUMNS[missing[0]][0]} 投诉号码"
                batch.note(line, f"the first row names the columns, and none of them is the complainant's number ({words})")
                return batch
            if not heads.keys() & {"sender", "at", "text"}:
                batch.note(line, "no column says from where, when or what came (端口, 接收时间, 短信内容)")
                return batch
            continue
        batch.read += 1
        try:
            batch.rows.append(_row({one: cells[place] for one, place in heads.items() if place < len(cells)}, now))
            batch.lines.append(line)
        except ValueError as fault:
            batch.note(line, str(fault))
    if not heads:
        batch.note(1, "holds no rows")
    return batch


def _row(cells: Mapping[str, str], now: float) -> dict[str, Any]:
    """What the gate takes; ValueError says all that is wrong."""
    row, faults = dict[str, Any](), list[str]()
    for name, read in _READ.items():
        if name == "number" or cells.get(name):
            try:
                row[name] = found = read(cells.get(name, ""))
                if name != "number" and found > now + AHEAD_S:
                    faults.append(f"the time {cells[name][:40]!r} is yet to come")
            except ValueError as fault:
                faults.append(str(fault))
    if not any(cells.get(name, "").strip() for name in ("sender", "at", "text")):
        faults.append("says neither from where, nor when, nor what came")
    if faults:
        raise ValueError("; ".join(faults))
    for name in ("reference", "sender", "text"):
        if word := cells.get(name, "").strip():
            row[name] = word
    if "sender" in row:
        row["sender"] = unicodedata.normalize("NFKC", row["sender"]).replace(" ", "")
    return row


def _number(written: str) -> str:
    """A whole number, or one of which digits are hidden, each as a star."""
    spelt = unicodedata.normalize("NFKC", written).replace(" ", "").replace("-", "")
    hidden = _HIDDEN.sub(HIDDEN_DIGIT, spelt)
    if HIDDEN_DIGIT not in hidden:
        try:
            return str(recipient_of(spelt))
        except NotARecipient as fault:
            raise ValueError(f"the complainant's number: {fault.why}") from None
    hidden = hidden.removeprefix("+86").removeprefix("0086")
    if len(hidden) == 13 and hidden.startswith("86"):
        hidden = hidden[2:]
    digits = hidden.replace(HIDDEN_DIGIT, "")
    if len(hidden) != 11 or not digits.isdigit() or len(digits) < 5 or hidden[0] not in ("1", HIDDEN_DIGIT):
        raise ValueError("the complainant's number: of 11 digits at most 6 may be hidden (like 138****0500)")
    return hidden


def _moment(written: str) -> float:
    try:
        return table_moment(written)[0]
    except ValueError as fault:
        wrong = "is not in the calendar" if "calendar" in str(fault) else "is none (like 2026-11-11 10:05)"
        raise ValueError(f"the time {written[:40]!r} {wrong}") from None


_READ: Mapping[str, Callable[[str], Any]] = {"number": _number, "at": _moment, "came": _moment}
