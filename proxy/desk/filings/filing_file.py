"""Reads and writes the sheets in which operators exchange filings.

In: rows of a CSV or XLSX whose first row names the columns, in Chinese or English; the registries as texts. Out: the registries' new texts, or
every bad row with its line. Never: half a sheet; a guess at what a column is; a line of a registry touched that the sheet does not name.

One sheet may hold columns of several registries (签名, 企业名称, 行业, 运营商, 省份, 报备状态 …): each goes to its own. Headings that
several registries share (状态, 有效期) belong to the sheet's own registry. A row changes the row of the same key, or adds one:

    signatures   signature, provider, port      without provider and port: all rows of the signature
    filings      signature, carrier, province   several carriers or provinces in one cell: one row each
    advertisers  advertiser
    licences     advertiser, kind, number       without a number: the only row of that kind
    ports        prefix

An empty cell leaves what is registered; 长期 removes a date.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from proxy.config.yaml_file import unknown
from proxy.desk.filings import filing_columns
from proxy.desk.filings.filing_columns import Cells, each_place, industry_of, is_credit_code, value_of
from proxy.desk.filings.filing_rows import Key, RegistryRows, Upsert, file_of, key_of
from proxy.operations.files.row_files import BAD_SHOWN, FileFaults, is_note, not_headings
from proxy.policy.registries.table_words import BASE, CREDIT_CODE, SHARED, SUB_INDUSTRY, plain
from proxy.policy.registries.typed_rows import COLUMNS, RowFault, read_filing_row
from proxy.policy.text.folding import normal_signature

_NOTHING = frozenset(("-", "--", "/", "无", "暂无", "—", "n/a", "na", "null", "空"))
_HEX = re.compile("[0-9A-Fa-f]{40}")
_REQUIRED = (("signatures", "responsible"), ("ports", "responsible"), ("licences", "number"), ("signatures", "letter"))
"""What a new row needs, where the sheet has the column: persons who answer, of the sheet's own registry; the letter, where another company uses
the signature."""
PORT_DIGITS_MAX = 20  # SMPP 3.4 §5.2.9: a source_addr holds so many
LEFT_OUT_SHOWN = 5
UNASSIGNED = ("1060", "1061", "1067", "1068")
SIGNATURE_MAX = 16
_NOTHING_SAID = Upsert(0, {}, {})


@dataclass
class FilingFile(FileFaults):
    own: str = ""
    """The registry that the sheet's shared headings belong to."""
    warnings: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """The new texts of the registries that change, by file name."""
    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)

    def warn(self, line: int, what: str) -> None:
        if len(self.warnings) < BAD_SHOWN:
            self.warnings.append(f"{self.name}:{line}: {what}")


def read_sheet(
    name: str,
    rows: Iterable[tuple[int, Sequence[str]]],
    texts: Mapping[str, str],
    table: str = "",
    ignore: Collection[str] = (),
) -> FilingFile:
    """Reads a whole sheet against the registries' texts, by file name. ``table``: the sheet's own registry, where its headings do not say;
    ``ignore``: headings to be dropped."""
    sheet, faults = FilingFile(name), dict[int, str]()
    registries = {one: RegistryRows(one, texts.get(file_of(one), "")) for one in filing_columns.TABLES}
    found: dict[str, dict[Key, Upsert]] = {one: {} for one in filing_columns.TABLES}
    reader: _RowReader | None = None
    for line, cells in filing_columns.below_title(rows):
        if reader is None:
            reader = _RowReader(sheet, cells, table, registries)
            _note_headings(sheet, reader, line, cells, ignore)
            if sheet.bad:
                return sheet
            continue
        if is_note(cells):
            continue
        sheet.read += 1
        try:
            parts = reader.read(line, cells)
            for one, said in parts:
                read_filing_row(one, dict.fromkeys(COLUMNS[one], "") | {"advertiser": "-"} | said, line)
                _compare(found[one], one, said)
            repeated = [_put(found[one], one, line, said) for one, said in parts]
            unfiled = reader.own == "filings" and not any(
                one == "filings" for one, _ in parts
            )  # 未报备: the row adds no filing
            if all(repeated) and not unfiled:
                raise ValueError(f"line {max(repeated)} says the same")
            reader.remember(line, parts)
        except (ValueError, RowFault) as fault:
            faults[line] = str(fault)
    if reader is None:
        sheet.note(1, "holds no rows")
    _merge(sheet, found, registries, faults)
    for line in sorted(faults):
        sheet.note(line, reader.by_heading(faults[line]) if reader else faults[line])
    if sheet.bad:
        sheet.files, sheet.added, sheet.changed = {}, {}, {}
    return sheet


def _note_headings(sheet: FilingFile, reader: _RowReader, line: int, cells: Sequence[str], ignore: Collection[str]) -> None:
    """What is wrong with the headings, and which are not known."""
    sheet.heading = line
    for fault in not_headings(ignore, cells):
        sheet.note(line, f"--ignore: {fault}")
    if fault := reader.missing():
        sheet.note(line, fault)
    dropped = set(map(plain, ignore))
    sheet.unknown = [one for one in sheet.ignored if not filing_columns.is_unread(one) and plain(one) not in dropped]


# --- one row


class _RowReader:
    """Reads the rows below one line of headings."""

    def __init__(self, sheet: FilingFile, heads: Sequence[str], table: str, registries: Mapping[str, RegistryRows]) -> None:
        self._sheet, self.own = sheet, table or filing_columns.own_table(heads)
        self._targets = filing_columns.targets_of(heads, self.own)
        self._flat = [one for found in self._targets for one in found]
        self._heads = heads
        places = sorted(zip(heads, self._targets, strict=True), key=lambda one: any(table == self.own for table, _ in one[1]))
        self._headings = {column: head.replace(": ", " ") for head, found in places for _, column in found}
        """Of the file, by column; those of the sheet's own registry go first."""
        self._loose = {
            place for place, found in enumerate(self._targets) if {("signatures", "letter"), ("licences", "file")} & {*found}
        } - {place for place, cell in enumerate(heads) if filing_columns.DIGEST_HEAD.search(cell.lower())}
        """Columns that may say whether there is a file, or its name, and not its SHA-256."""
        sheet.own = self.own
        sheet.ignored = [cell for cell, found in zip(heads, self._targets, strict=True) if cell and not found]
        self._is_credit_code = any(plain(cell) in CREDIT_CODE for cell in heads)
        advertisers = [rows[0] for rows in registries["advertisers"].by_key.values()]
        self._registries = registries
        self._names = {row["licence"]: row["advertiser"] for row in advertisers if row["licence"]}
        self._lines: dict[str, int] = {}
        """Of the sheet, where a licence stands first."""
        self._codes = {row["advertiser"]: row["licence"] for row in advertisers}
        self._owners = {key[0]: rows[0]["advertiser"] for key, rows in registries["signatures"].by_key.items()}

    def missing(self) -> str:
        """What is wrong with the headings; empty if nothing is."""
        for one in filing_columns.NEEDED[self.own]:
            if (self.own, one) not in self._flat and not (one == "advertiser" and ("advertisers", "licence") in self._flat):
                return (
                    f"the first row names the columns, and none of them is the {one} ({filing_columns.chinese(self.own, one)})"
                )
        twice = next((one for one in self._flat if self._flat.count(one) > 1), None)
        if twice is None:
            return ""
        first, other = [head for head, found in zip(self._heads, self._targets, strict=True) if twice in found][:2]
        return f"two columns mean the same: '{first:.40}' and '{other:.40}'"

    def by_heading(self, fault: str) -> str:
        """A fault that begins with a column, with the file's heading instead."""
        column, colon, rest = fault.partition(": ")
        return f"{self._headings.get(column, column)}{colon}{rest}"

    def read(self, line: int, cells: Sequence[str]) -> list[tuple[str, Cells]]:
        """What a row says of each registry; ValueError."""
        said: dict[str, Cells] = {}
        for place, found in enumerate(self._targets):
            written = " ".join(cells[place].split()) if place < len(cells) else ""
            if (place in self._loose and not _HEX.search(written)) or not found:
                continue
            if written and unicodedata.normalize("NFKC", written).lower() not in _NOTHING:
                for table, column in found:
                    said.setdefault(table, {}).update(value_of(table, column, written))
        self._industry(line, said)
        self._company(said)
        self._port(said)
        self._required(said)
        parts: list[tuple[str, Cells]] = []
        for table, row in said.items():
            missing = next((name for name in filing_columns.NEEDED[table] if not row.get(name)), "")
            own = bool(row.keys() - SHARED.keys())
            if table == "filings":
                parts += (("filings", one) for one in each_place(row, said.get("signatures", {})))
            elif missing and own:
                raise ValueError(f"{missing}: is missing")
            elif not missing and (own or self._names_a_row(table)) and not (table == "signatures" and self.own == "ports"):
                parts.append((table, row))
        if not parts or (self.own == "filings" and not said.get("filings", {}).get("signature")):
            raise ValueError(f"{filing_columns.NEEDED[self.own][0]}: is missing")
        return parts

    def _names_a_row(self, table: str) -> bool:
        """Whether the shared columns alone make a row: a company goes into a register that is kept, not into one of its own."""
        return table in (self.own, "signatures") or (table == "advertisers" and bool(self._registries[table].by_key))

    def _industry(self, line: int, said: dict[str, Cells]) -> None:
        """The more exact of industry and sub-industry; one that is no sub-category counts as other, with a warning."""
        row = said.get("advertisers", {})
        written = [row.pop(name, "") for name in (SUB_INDUSTRY, "industry")]
        known = [industry_of(one) for one in written if one]
        if known:
            row["industry"] = next((one for one in known if one not in ("", "other")), "other")
            if not any(known):
                self._sheet.warn(line, f"industry {written[0] or written[1]!r:.40} is no sub-category: it counts as other")

    def _company(self, said: dict[str, Cells]) -> None:
        """Companies are named, or meant by the number of their licence."""
        row = said.get("advertisers", {})
        code, name = row.get("licence", ""), row.get("advertiser", "")
        if code and self._is_credit_code and code not in self._names and not is_credit_code(code):
            raise ValueError(f"licence: '{code[:40]}' is no credit code (18 characters, of which the last is a check)")
        if code and not name:
            name = self._names.get(code, "")
            if not name:
                raise ValueError(f"licence: no registered company has {code}, and the row names none")
            for table in {table for table, _ in self._flat} & {"advertisers", "signatures", "licences", "ports"}:
                said.setdefault(table, {})["advertiser"] = name
        elif code:
            if self._names.get(code, name) != name:
                raise ValueError(f"advertiser: {code} is the licence of {self._names[code]}{self._by_line(code)}")
            if (self._codes.get(name) or code) != code:
                raise ValueError(f"licence: {name} is registered with {self._codes[name]}{self._by_line(self._codes[name])}")

    def _by_line(self, code: str) -> str:
        return f" by line {self._lines[code]}" if code in self._lines else ""

    def remember(self, line: int, parts: Iterable[tuple[str, Cells]]) -> None:
        """Keeps the companies and licences of a row that has no fault."""
        for table, row in parts:
            if table == "advertisers" and (code := row.get("licence", "")) and code not in self._names:
                self._names[code], self._codes[row["advertiser"]], self._lines[code] = row["advertiser"], code, line

    def _port(self, said: dict[str, Cells]) -> None:
        """A sub-port may be written as the port and its extension."""
        row = said.get("ports", {})
        if self.own == "ports" and (signature := said.get("signatures", {}).get("signature", "")):
            owner = self._owners.get(normal_signature(signature), "")
            if not owner:
                raise ValueError(f"signature: '{signature[:40]}' is not registered")
            if owner != row.get("advertiser", owner):
                raise ValueError(f"advertiser: '{signature[:40]}' belongs to {owner}")
        base, prefix = row.pop(BASE, ""), row.get("prefix", "")
        if base and not prefix:
            row["prefix"] = base
        elif base:
            row["prefix"] = prefix if prefix.startswith(base) and len(prefix) > len(base) else base + prefix
        for name, port in (("prefix", row.get("prefix", "")), ("port", said.get("signatures", {}).get("port", ""))):
            if port and (len(port) > PORT_DIGITS_MAX or not (port.isascii() and port.isdigit())):
                raise ValueError(f"{name}: '{port[:40]}' is no sender number (up to {PORT_DIGITS_MAX} digits)")
            if port.startswith(UNASSIGNED):
                raise ValueError(f"{name}: '{port[:40]}' begins with a prefix that is not assigned")

    def _required(self, said: dict[str, Cells]) -> None:
        """What a new row needs where the sheet has a column for it."""
        for table, column in _REQUIRED:
            row, rows = said.get(table, {}), self._registries[table]
            if (table, column) not in self._flat or column in row or not row.keys() - SHARED.keys():
                continue
            asked = row.get("use") == "other" if column == "letter" else table == self.own or column == "number"
            if asked and not (key_of(table, row) in rows.by_key if column == "number" else rows.meant(key_of(table, row))):
                raise ValueError(f"{column}: is missing")
        name = said.get("signatures", {}).get("signature")
        if name is not None and not 2 <= len(normal_signature(name)) <= SIGNATURE_MAX:
            raise ValueError(f"signature: '{name[:40]}' has not 2 to {SIGNATURE_MAX} characters")


# --- rows of the registries


def _compare(found: Mapping[Key, Upsert], table: str, cells: Cells) -> None:
    """ValueError where an earlier row of the sheet says something else of the same."""
    before = found.get(key_of(table, cells), _NOTHING_SAID)
    for column, cell in cells.items():
        if column not in filing_columns.KEYS[table] and before.cells.get(column, cell) != cell:
            raise ValueError(
                f"{column}: line {before.line_of(column)} says {before.cells[column]!r:.60} of the same {filing_columns.KEYS[table][0]}"
            )


def _put(found: dict[Key, Upsert], table: str, line: int, cells: Cells) -> int:
    """Adds what a row says to what earlier rows of the sheet said of the same; the line of that row if nothing is new, else 0."""
    before = found.setdefault(key_of(table, cells), Upsert(line, {}, {}))
    new = cells.keys() - before.cells.keys()
    before.cells.update({name: cell for name, cell in cells.items() if name in new})
    before.lines.update(dict.fromkeys(new, line))
    return 0 if new else before.line


def _merge(
    sheet: FilingFile, found: Mapping[str, dict[Key, Upsert]], registries: Mapping[str, RegistryRows], faults: dict[int, str]
) -> None:
    _complete_signatures(sheet, found, registries, faults)
    for table in filing_columns.TABLES:
        for key, upsert in found[table].items():
            try:
                registries[table].put(key, upsert)
            except RowFault as fault:
                faults.setdefault(upsert.line_of(str(fault).partition(":")[0]), str(fault))
    signatures = registries["signatures"].names | {key[0] for key in found["signatures"]}
    for key, upsert in found["filings"].items():
        if key[0] not in signatures:
            problem = f"signature: '{upsert.cells['signature']}' is not registered, and the row names no company"
            faults.setdefault(upsert.line, problem)
    advertisers = {key[0] for key in registries["advertisers"].by_key}
    for upsert in (*found["ports"].values(), *found["licences"].values()):
        if (name := upsert.cells.get("advertiser", "")) and advertisers and name not in advertisers:
            problem = (
                f"advertiser: {unknown('advertiser', name, sorted(advertisers))}; registries/advertisers.csv does not name it"
            )
            faults.setdefault(upsert.line_of("advertiser"), problem)
    if registries["advertisers"].added and not registries["advertisers"].names:
        new = {cells["advertiser"] for cells in registries["advertisers"].added}
        others = {key[0] for key in registries["licences"].by_key} | {
            rows[0]["advertiser"] for table in ("signatures", "ports") for rows in registries[table].by_key.values()
        }
        if left_out := sorted(others - new - {""}):
            names = ", ".join(left_out[:LEFT_OUT_SHOWN])
            sheet.warnings.insert(
                0, f"{sheet.name}: the register of advertisers was empty: checks will not know {len(left_out)} others ({names})"
            )
    for table, rows in registries.items():
        if rows.added or rows.changed:
            sheet.files[file_of(table)] = rows.text()
            sheet.added[table], sheet.changed[table] = len(rows.added), len(rows.changed)


def _complete_signatures(
    sheet: FilingFile, found: Mapping[str, dict[Key, Upsert]], registries: Mapping[str, RegistryRows], faults: dict[int, str]
) -> None:
    """Finds signatures without an owner, or of another one. A new signature of a sheet of filings is approved only if a carrier has accepted
    it."""
    owners = {key[0]: rows[0]["advertiser"] for key, rows in registries["signatures"].by_key.items()}
    accepted = {key[0] for key, one in found["filings"].items() if one.cells.get("state", "filed") == "filed"}
    for key, upsert in [*found["signatures"].items()]:
        name, written = key[0], upsert.cells.get("advertiser", "")
        owner = owners.setdefault(name, written)
        signature = upsert.cells["signature"]
        if not owner:
            faults.setdefault(upsert.line, f"signature: '{signature}' is not registered, and the row names no company")
            del found["signatures"][key]
        elif written not in ("", owner):
            faults.setdefault(upsert.line_of("advertiser"), f"advertiser: '{signature}' belongs to {owner}")
        elif sheet.own == "filings" and name not in registries["signatures"].names and name not in accepted:
            upsert.cells.setdefault("state", "filed")
