"""Measures how well the lexicon reads labelled texts of a person's own.

In: files of labelled texts; a Reader. Out: counts by source and label. Never: a text in the answer; a text kept.

Files: CSV, TSV or XLSX with the columns ``text`` and ``label`` (and ``source``), in UTF-8, GBK or UTF-16; a heading may be missing where a
row has a label and a text, in either order. Or a text a line, all with one label. ``.jsonl``: an object a line with these keys. Public sets
say ``spam`` and ``ham``, or 1 and 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from proxy.model.message import Category, Content
from proxy.model.number import masked_repr
from proxy.operations.files.row_files import FILE_BYTES_MAX, FileFaults, NotATable, encoding_of, is_regular, rows_of
from proxy.policy.text.category import band_of
from proxy.policy.text.text_analysis import pages_of
from proxy.policy.text_reader import Reader

LABELS = ("marketing", "notice", "otp")
_LABEL_WORDS = {
    "marketing": "marketing ad ads advertising advertisement spam promotion 1 营销 广告 垃圾 垃圾短信 推广",
    "notice": "notice notification ham normal transactional service 0 通知 正常 正常短信 服务",
    "otp": "otp code verification 验证码",
}
_LABEL_OF = {word: label for label, words in _LABEL_WORDS.items() for word in words.split()}
_OTHER_WORDS = "ad, spam, 广告; ham, normal, 正常; code, 验证码"
"""Some that mean the same, for messages."""
_TEXT_HEADS = ("text", "content", "message", "sms", "body", "短信", "内容", "短信内容", "文案")
_LABEL_HEADS = ("label", "category", "class", "type", "标签", "类别", "分类")
_SOURCE_HEADS = ("source", "来源")
_LINES = (".txt", ".jsonl")


@masked_repr
class LabelledText(NamedTuple):
    source: str
    label: str
    text: str


class Rate(NamedTuple):
    """Texts of one source with one label. An advertisement that is not ``surely`` is missed; another text that is, a false alarm."""

    source: str
    label: str
    texts: int
    surely: int
    likely: int  # surely or likely
    codes: int  # read as one-time codes


class _Columns(NamedTuple):
    text: int
    label: int  # -1: none
    source: int


def read_labelled(path: Path, label: str = "") -> tuple[list[LabelledText], FileFaults]:
    """``label``: of all texts, where the file has no labels. NotATable, OSError."""
    faults = FileFaults(path.name)
    read = _read_lines if path.suffix.lower() in _LINES else _read_rows
    return list(read(path, label, faults)), faults


def _read_rows(path: Path, label: str, faults: FileFaults) -> Iterator[LabelledText]:
    columns: _Columns | None = None
    for line, cells in rows_of(path):
        if columns is None:
            columns = _headed(cells) or _guessed(cells, path, label)
            if _headed(cells) is not None:
                continue
        written = cells[columns.label] if 0 <= columns.label < len(cells) else ""
        text = cells[columns.text] if columns.text < len(cells) else ""
        source = cells[columns.source] if 0 <= columns.source < len(cells) else ""
        yield from _labelled(source or path.name, label or written, text, line, faults)


def _read_lines(path: Path, label: str, faults: FileFaults) -> Iterator[LabelledText]:
    is_regular(path)
    if path.stat().st_size > FILE_BYTES_MAX:
        raise NotATable(f"{path.name}: larger than {FILE_BYTES_MAX >> 20} MB: split it")
    with path.open(encoding=encoding_of(path), errors="replace") as lines:
        for line, one in enumerate(lines, 1):
            if not one.strip():
                continue
            source, written, text = path.name, label, one.strip()
            if path.suffix.lower() == ".jsonl":
                try:
                    value = json.loads(one)
                    text, written = str(value["text"]), label or str(value.get("label", ""))
                    source = str(value.get("source", "")) or source
                except (ValueError, KeyError, AttributeError, TypeError):
                    faults.note(line, 'no object like {"text": "…", "label": "marketing"}')
                    continue
            yield from _labelled(source, written, text, line, faults)


def _labelled(source: str, written: str, text: str, line: int, faults: FileFaults) -> Iterator[LabelledText]:
    label = label_of(written)
    if label is None:
        faults.note(line, unknown_label(written) if written else "no label (or say --label)")
    elif not text:
        faults.note(line, "no text")
    else:
        yield LabelledText(source, label, text)


def label_of(written: str) -> str | None:
    """The label that a word stands for; None: none."""
    return _LABEL_OF.get(written.strip().lower().removesuffix(".0"))


def unknown_label(written: str) -> str:
    return f"label: '{written[:20]}' is none of {', '.join(LABELS)}, nor a word for one of them ({_OTHER_WORDS})"


def _headed(cells: list[str]) -> _Columns | None:
    heads = [cell.strip().lower() for cell in cells]

    def place(names: tuple[str, ...]) -> int:
        return next((heads.index(name) for name in names if name in heads), -1)

    text = place(_TEXT_HEADS)
    return _Columns(text, place(_LABEL_HEADS), place(_SOURCE_HEADS)) if text >= 0 else None


def _guessed(cells: list[str], path: Path, label: str) -> _Columns:
    """Of a file without a heading."""
    if len(cells) == 1 and label:
        return _Columns(0, -1, -1)
    if len(cells) == 2:
        for place in (0, 1):
            if cells[place].strip().lower() in _LABEL_OF:
                return _Columns(1 - place, place, -1)
    raise NotATable(f"{path.name}: its first row must name the columns text and label (or have one column, with --label)")


def rates(texts: Iterable[LabelledText], reader: Reader) -> list[Rate]:
    """By source and label, in this order."""
    counts: dict[tuple[str, str], list[int]] = {}
    for one in texts:
        pages = pages_of(Content(one.text, "readable", b""))
        read = max((reader.classified(page) for page in pages), key=lambda found: found.category)
        held = counts.setdefault((one.source, one.label), [0, 0, 0, 0])
        band = band_of(read.band)
        held[0] += 1
        held[1] += band == "surely"
        held[2] += band in ("surely", "likely")
        held[3] += read.category is Category.OTP
    order = sorted(counts, key=lambda key: (key[0], LABELS.index(key[1])))
    return [Rate(*key, *counts[key]) for key in order]


def totals(found: Iterable[Rate]) -> list[Rate]:
    """Over all sources."""
    held = list(found)
    by_label = {label: [one for one in held if one.label == label] for label in LABELS}
    return [
        Rate("all", label, *map(sum, zip(*(one[2:] for one in ones), strict=True))) for label, ones in by_label.items() if ones
    ]
