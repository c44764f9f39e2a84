"""Folder: the files of the rules folder, read once, with a hash over all that was read.

In: a path. Out: bytes, rows, lists of words and of people; Problems with file and line.
Never: a file outside the folder, whatever a rule names.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import cast

from pyroaring import BitMap64

from proxy.message import Category
from proxy.number import NotARecipient, recipient_of
from proxy.shipped import shipped
from proxy.yamlfile import unknown

from .lexicon import MAIN, Lexicon, read_lexicon
from .problem import Problem, RuleFault, RulesError
from .regions import PROVINCE_CODES, Regions, province_of
from .registry import STATES, PortRow, Registry, SignatureRow
from .source import Node

SMALL_LIST = 10_000
"""Up to here a frozenset (50 ns a look-up, 80 bytes a number); beyond, a BitMap64 (0.5 µs, some 2 bytes)."""
WORDS_MAX = 200_000
BAD_ROWS_SHOWN = 20
_SIGNATURE_COLUMNS = ("signature", "advertiser", "group", "provider", "port", "state")
_PORT_COLUMNS = ("prefix", "province", "categories")


def shipped_words() -> tuple[str, bytes]:
    """The words that ship: how the file is named in errors, and its bytes."""
    return f"shipped lexicon/{MAIN}", (shipped("rules") / "lexicon" / MAIN).read_bytes()


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.resolve()
        self.problems: list[Problem] = []
        self._read: dict[str, bytes] = {}

    def label(self, relative: str) -> str:
        """How a file is named in errors: ``rules/x.yaml``."""
        return f"{self.root.name}/{relative}"

    def yaml_files(self) -> list[str]:
        """Names of all rules files, in order."""
        try:
            return sorted(one.name for one in self.root.iterdir() if one.suffix in (".yaml", ".yml") and one.is_file())
        except OSError as fault:
            raise RulesError([Problem(str(self.path), 1, f"no folder of rules: {fault.strerror}")]) from None

    def read(self, relative: str) -> bytes:
        """A file inside the folder; OSError when there is none, RulesError when its path leads outside."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root):
            raise RulesError([Problem(self.label(relative), 1, "leads out of the rules folder")])
        data = self._read[relative] = path.read_bytes()
        return data

    def revision(self) -> str:
        """16 hex digits over names and contents of all files read."""
        digest = hashlib.blake2b(digest_size=8)
        for name, data in sorted(self._read.items()):
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()

    def named(self, node: Node, what: str) -> tuple[str, bytes]:
        """The file a rule names, and its bytes."""
        relative = node.text(what)
        if not (self.root / relative).resolve().is_relative_to(self.root):
            raise RuleFault(node.line, f"{what}: '{relative}' leads out of the rules folder")
        try:
            return relative, self.read(relative)
        except OSError as fault:
            raise RuleFault(node.line, f"{what}: '{relative}' cannot be read: {fault.strerror}") from None

    def word_file(self, node: Node, what: str) -> list[str]:
        """Words, one a line; # starts a comment line."""
        relative, data = self.named(node, what)
        words = [line.strip() for line in self._text(relative, data).splitlines()]
        words = [word for word in words if word and not word.startswith("#")]
        if not words or len(words) > WORDS_MAX:
            raise RuleFault(node.line, f"{what}: '{relative}' holds {len(words)} words (1 to {WORDS_MAX} are fine)")
        return words

    def people(self, node: Node, what: str) -> Container[int]:
        """Numbers from the first column of a CSV file, in any spelling; a word before the first number is a header."""
        relative, data = self.named(node, what)
        numbers: list[int] = []
        bad = 0
        for line, row in enumerate(self._text(relative, data).splitlines(), 1):
            cell = row.partition(",")[0].strip().strip('"')
            if not cell or cell.startswith("#"):
                continue
            try:
                numbers.append(recipient_of(cell))
            except NotARecipient as refused:
                if not numbers and not bad and cell.isalpha():
                    continue
                bad += 1
                if bad <= BAD_ROWS_SHOWN:
                    self.problems.append(Problem(self.label(relative), line, f"no recipient: {refused.why}"))
        return frozenset(numbers) if len(numbers) <= SMALL_LIST else cast("Container[int]", BitMap64(numbers))

    def regions(self) -> Regions:
        """The segment table with the folder's own ``registries/segments.csv`` over it, if there is one."""
        base = Regions.load()
        try:
            data = self.read("registries/segments.csv")
        except FileNotFoundError:
            return base
        try:
            return base.overlaid(data, self.label("registries/segments.csv"))
        except RulesError as error:
            self.problems += error.problems
            return base

    def registry(self) -> Registry:
        """Who signs, and what ports are for; both files may be absent."""
        signatures = [SignatureRow(*cells) for _, cells in self._signature_rows()]
        ports = [row for row in map(self._port_row, self._rows("registries/ports.csv", _PORT_COLUMNS)) if row]
        return Registry(signatures, ports)

    def lexicon(self) -> Lexicon:
        """The words of ``lexicon/*.csv``; where ``lexicon/words.csv`` is missing, the one that ships takes its place."""
        folder = self.root / "lexicon"
        names = sorted(one.name for one in folder.glob("*.csv") if one.is_file())
        files = [(self.label(f"lexicon/{name}"), self.read(f"lexicon/{name}")) for name in names if name != MAIN]
        if MAIN in names:
            main = (self.label(f"lexicon/{MAIN}"), self.read(f"lexicon/{MAIN}"))
        else:
            main = shipped_words()
            self._read[f"shipped lexicon/{MAIN}"] = main[1]  # other words are another revision
        lexicon, problems = read_lexicon((main, *files))
        self.problems += problems
        return lexicon

    def _signature_rows(self) -> Iterator[tuple[int, list[str]]]:
        name = "registries/signatures.csv"
        for line, cells in self._rows(name, _SIGNATURE_COLUMNS):
            state = cells[5] or "approved"
            if not cells[0] or not cells[1]:
                self.problems.append(Problem(self.label(name), line, "signature and advertiser must not be empty"))
            elif state not in STATES:
                self.problems.append(Problem(self.label(name), line, f"state: {unknown('state', state, STATES)}"))
            else:
                yield line, [*cells[:5], state]

    def _port_row(self, found: tuple[int, list[str]]) -> PortRow | None:
        line, (prefix, province, categories) = found
        label = self.label("registries/ports.csv")
        name = "" if province in ("", "national") else province_of(province)
        if name is None:
            self.problems.append(Problem(label, line, f"province: {unknown('province', province, PROVINCE_CODES)}"))
            return None
        try:
            return PortRow(prefix, name, frozenset(Category.of(word) for word in categories.replace("|", " ").split()))
        except ValueError as fault:
            self.problems.append(Problem(label, line, f"categories: {fault}"))
            return None

    def _rows(self, relative: str, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
        """Rows of an optional CSV file, cells stripped, as many as there are columns."""
        try:
            data = self.read(relative)
        except FileNotFoundError:
            return
        for line, row in enumerate(csv.reader(self._text(relative, data).splitlines()), 1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#") or cells[0] == columns[0]:
                continue
            if len(cells) > len(columns):
                self.problems.append(Problem(self.label(relative), line, f"{len(cells)} columns, expected {','.join(columns)}"))
                continue
            yield line, cells + [""] * (len(columns) - len(cells))

    def _text(self, relative: str, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            line = data.count(b"\n", 0, fault.start) + 1
            raise RulesError([Problem(self.label(relative), line, "not UTF-8 (save the file as UTF-8)")]) from None
