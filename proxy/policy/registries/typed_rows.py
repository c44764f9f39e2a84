"""Reads the registries of the rules folder into typed rows.

In: CSV files in ``registries/``. Out: Registries; a Problem with file and line for each row that cannot be used. Never: rows against each other
(policy/loading/crosscheck.py, platforms.py), rules.

Each file is optional. rows.py defines the form of such a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

from proxy.config.yaml_file import unknown
from proxy.model.message import Category, Content
from proxy.model.number import NotARecipient, recipient_of
from proxy.policy import time_windows
from proxy.policy.loading.problem import Problem
from proxy.policy.registries import filings, holidays, people, platforms, reviewed_texts, template_text, templates
from proxy.policy.registries.people import ConsentRow, PreferenceRow
from proxy.policy.registries.platforms import SHOPS, AdvertiserRow
from proxy.policy.registries.regions import ALL_COLUMNS, PROVINCE_CODES, province_of
from proxy.policy.registries.registry import BINARY, STATES, ContactRow, PortRow, Registries, SignatureRow, TelephoneRow
from proxy.policy.registries.rows import Cells, rows
from proxy.policy.registries.table_words import ANY, gate_words, headings_of
from proxy.policy.text import contacts, found_contacts
from proxy.policy.text.category import SUBCATEGORIES
from proxy.runtime.yield_point import Rest, with_yield_points

COLUMNS = {
    "signatures": (
        "signature", "advertiser", "group", "provider", "port", "state", "from", "to",
        "source", "link", "responsible", "handler", "letter", "use",
    ),
    "filings": ("signature", "carrier", "province", "state", "from", "to", "review", "why"),
    "ports": ("prefix", "province", "categories", "advertiser", "carrier", "from", "to", "responsible"),
    "advertisers": ("advertiser", "licence", "group", "domains", "phones", "platform", "shops", "industry"),
    "licences": ("advertiser", "kind", "number", "from", "to", "file"),
    "contacts": ("contact", "advertiser", "provider", "kind", "signature", "template", "shared"),
    "templates": ("template", "signature", "provider", "category", "subcategory", "text", "allows"),
    "holidays": ("from", "to", "name", "kind"),
    "campaigns": ("campaign", "from", "to"),
    "reviewed": ("text", "provider", "verdict", "by", "until"),
    "consents": ("recipient", "advertiser", "category", "state", "time", "until", "proof", "reviewed_by"),
    "preferences": ("recipient", "category", "hours", "days"),
    "test-numbers": ("number", "carrier", "note", "agent"),
    "segments": ALL_COLUMNS,  # regions.py reads them
}  # fmt: skip
"""Registries by name of their file, with their columns."""
BAD_ROWS_SHOWN = 20
_URL = re.compile(r"https?://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?(?:/[!-~]*)?")
_SHA256 = re.compile("[0-9a-f]{64}")
_IDENTITY = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])")
"""The identity number of a resident."""
_CATEGORIES = ("marketing", *SUBCATEGORIES[1:])

Row = TypeVar("Row")


class RowFault(Exception):
    """One row cannot be used."""


class TableSource(Protocol):
    """The files that tables are read from (policy/loading/folder.py)."""

    problems: list[Problem]
    rest: Rest

    def label(self, relative: str) -> str: ...
    def read(self, relative: str) -> bytes: ...


def read_registries(folder: TableSource) -> Registries:
    """All registries of a folder; its problems go to ``folder.problems``."""
    tables = _Tables(folder)
    return Registries(
        signatures=tuple(tables.rows("signatures", _signature)),
        ports=tuple(tables.rows("ports", _port)),
        advertisers=tables.advertisers(),
        contacts=tuple(tables.rows("contacts", _contact)),
        templates=templates.Templates(tables.rows("templates", _template)),
        holidays=holidays.Holidays(tables.rows("holidays", _holiday)),
        campaigns=_campaigns(tables.rows("campaigns", _campaign)),
        reviewed=reviewed_texts.Reviewed(tables.rows("reviewed", _reviewed)),
        consents=people.Consents(tables.rows("consents", _consent)),
        preferences=people.Preferences(tables.rows("preferences", _preference)),
        test_numbers=tuple(tables.rows("test-numbers", _test_number)),
        licences=tuple(tables.rows("licences", _licence)),
        filings=tuple(tables.rows("filings", _filing)),
    )


def read_signatures(folder: TableSource) -> Registries:
    """Reads only signatures and their advertisers: not files of millions of consents."""
    tables = _Tables(folder)
    return Registries(
        signatures=tuple(tables.rows("signatures", _signature)), advertisers=tuple(tables.rows("advertisers", _advertiser))
    )


class _Tables:
    def __init__(self, folder: TableSource) -> None:
        self.folder = folder

    def rows(self, name: str, make: Callable[[Cells, int], Row]) -> Iterator[Row]:
        """Typed rows of one file; a row that cannot be used becomes a Problem, at most BAD_ROWS_SHOWN of them."""
        relative = f"registries/{name}.csv"
        label = self.folder.label(relative)
        bad = 0
        for count, (line, cells) in enumerate(with_yield_points(self._cells(relative, COLUMNS[name]), self.folder.rest)):
            if count >= people.ROWS_MAX:
                self.folder.problems.append(Problem(label, line, f"more than {people.ROWS_MAX} rows"))
                return
            try:
                yield make(cells, line)
            except RowFault as fault:
                bad += 1
                if bad <= BAD_ROWS_SHOWN:
                    self.folder.problems.append(Problem(label, line, str(fault)))

    def advertisers(self) -> tuple[AdvertiserRow, ...]:
        """The registered advertisers, after each shop's platform was checked."""
        found = tuple(self.rows("advertisers", _advertiser))
        label = self.folder.label("registries/advertisers.csv")
        self.folder.problems += islice(platforms.mistakes(found, label), BAD_ROWS_SHOWN)
        return found

    def _cells(self, relative: str, columns: tuple[str, ...]) -> Iterator[tuple[int, Cells]]:
        try:
            data = self.folder.read(relative)
        except FileNotFoundError:
            return
        name = relative.removeprefix("registries/").removesuffix(".csv")
        words = headings_of(name, columns)
        for line, cells in rows(self.folder.label(relative), data, columns, self.folder.problems, words=words):
            yield line, gate_words(name, cells)


# --- one row each


def _signature(cells: Cells, line: int) -> SignatureRow:
    _needed(cells, "signature", "advertiser")
    state = _word(cells, "state", STATES, "approved")
    since, until = _span(cells)
    source, use = _word(cells, "source", filings.SOURCES, ""), _word(cells, "use", filings.USES, "")
    return SignatureRow(
        cells["signature"], cells["advertiser"], cells["group"], cells["provider"], cells["port"], state, since, until, line,
        source, cells["link"], _person(cells, "responsible"), _person(cells, "handler"), _digest(cells, "letter"), use,
    )  # fmt: skip


def _filing(cells: Cells, line: int) -> filings.FilingRow:
    _needed(cells, "signature")
    review = _moment(cells["review"], "review", end=True) if cells["review"] else time_windows.NEVER
    return filings.FilingRow(
        cells["signature"], _carrier(cells), _province(cells), _word(cells, "state", filings.FILING_STATES, "filed"), *_span(cells),
        review, cells["why"], line,
    )  # fmt: skip


def _licence(cells: Cells, line: int) -> filings.LicenceRow:
    _needed(cells, "advertiser", "kind")
    return filings.LicenceRow(cells["advertiser"], cells["kind"], cells["number"], *_span(cells), _digest(cells, "file"), line)


def _port(cells: Cells, line: int) -> PortRow:
    province = _province(cells)
    cells["prefix"] = unicodedata.normalize("NFKC", cells["prefix"])
    if not (cells["prefix"].isascii() and cells["prefix"].isdigit()):
        raise RowFault(f"prefix: '{cells['prefix']}' is no sender number (its first digits, like 1062)")
    try:
        words = _several(cells["categories"])
        categories = frozenset(Category.of(word) for word in words if word != BINARY)
    except ValueError as fault:
        raise RowFault(f"categories: {fault}") from None
    return PortRow(
        cells["prefix"], province, categories, line, BINARY in words, cells["advertiser"], _carrier(cells), *_span(cells),
        _person(cells, "responsible"),
    )  # fmt: skip


def _advertiser(cells: Cells, line: int) -> AdvertiserRow:
    _needed(cells, "advertiser")
    domains = tuple(_contact_of(one, "domains") for one in _several(cells["domains"]))
    phones = tuple(_contact_of(one, "phones") for one in _several(cells["phones"]))
    shops = _word(cells, "shops", SHOPS, "")
    return AdvertiserRow(
        cells["advertiser"], cells["licence"], cells["group"], domains, phones, cells["platform"], shops, line,
        _word(cells, "industry", filings.INDUSTRIES, ""),
    )  # fmt: skip


def _contact(cells: Cells, line: int) -> ContactRow:
    _needed(cells, "contact")
    kind = found_contacts.kind_of(cells["kind"])
    if cells["kind"] and not kind:
        raise RowFault(f"kind: {unknown('kind', cells['kind'], found_contacts.ALL_KINDS)}")
    try:
        contact = found_contacts.written_contact(cells["contact"], kind)
    except contacts.NotAContact as fault:
        raise RowFault(f"contact: {fault}") from None
    shared = _word(cells, "shared", ("yes", "no"), "no") == "yes"
    return ContactRow(contact, cells["advertiser"], cells["provider"], line, cells["signature"], cells["template"], shared)


def _contact_of(written: str, what: str) -> str:
    """A domain in lower case, or a telephone number without dashes."""
    for read in (contacts.written_phone, contacts.written_domain):
        try:
            return read(written)
        except contacts.NotAContact:
            continue
    raise RowFault(f"{what}: '{written}' is neither a domain (example.com) nor a telephone number (400-800-1234)")


def _template(cells: Cells, line: int) -> templates.TemplateRow:
    _needed(cells, "template", "text")
    carried = template_text.signature_in(cells["text"])
    if not carried and not cells["signature"]:
        raise RowFault("signature: is missing, and the text has no 【signature】 at an edge")
    text = cells["text"] if carried else f"【{cells['signature']}】{cells['text']}"
    category = _word(cells, "category", [one.word for one in Category], "")
    allows = frozenset(_several(cells["allows"]))
    for word in sorted(allows.difference(template_text.ALLOWS)):
        raise RowFault(f"allows: {unknown('word', word, template_text.ALLOWS)}")
    try:
        template_text.check_text(text, allows)
    except ValueError as fault:
        raise RowFault(f"text: {fault}") from None
    return templates.TemplateRow(
        cells["template"], cells["signature"] or carried, cells["provider"], Category.of(category) if category else None,
        _word(cells, "subcategory", SUBCATEGORIES[1:], ""), text, line, allows,
    )  # fmt: skip


def _holiday(cells: Cells, line: int) -> holidays.HolidayRow:
    _needed(cells, "from")
    first, last = _span(cells | {"to": cells["to"] or cells["from"]})
    kind = _word(cells, "kind", holidays.KINDS, "holiday")
    days = [(int(at) + time_windows.OFFSET_S) // time_windows.DAY_S for at in (first, last - 1)]
    if days[1] - days[0] > 366:
        raise RowFault("to: is more than a year after from")
    if cells["name"] in holidays.WORDS:
        raise RowFault(f"name: '{cells['name']}' is a word of its own in rules: call the holiday something else")
    return holidays.HolidayRow(days[0], days[1], cells["name"], kind, line)


def _campaign(cells: Cells, line: int) -> tuple[str, float, float]:
    _needed(cells, "campaign", "from", "to")
    return cells["campaign"], *_span(cells)


def _campaigns(rows: Iterator[tuple[str, float, float]]) -> dict[str, tuple[tuple[float, float], ...]]:
    found: dict[str, tuple[tuple[float, float], ...]] = {}
    for name, first, last in rows:
        found[name] = (*found.get(name, ()), (first, last))
    return found


def _reviewed(cells: Cells, line: int) -> reviewed_texts.ReviewedRow:
    _needed(cells, "text", "verdict", "by")
    written = cells["text"]
    key = written if reviewed_texts.KEY.fullmatch(written) else reviewed_texts.review_key(Content(written, "readable", b""))
    verdict = _word(cells, "verdict", reviewed_texts.VERDICTS, "")
    until = _moment(cells["until"], "until", end=True) if cells["until"] else time_windows.NEVER
    return reviewed_texts.ReviewedRow(key, cells["provider"], verdict, cells["by"], until, line)


def _consent(cells: Cells, line: int) -> ConsentRow:
    _needed(cells, "recipient", "state", "time")
    state = _word(cells, "state", ("granted", "revoked"), "")
    category = _word(cells, "category", _CATEGORIES, "")
    until = _moment(cells["until"], "until", end=True) if cells["until"] else time_windows.NEVER
    time = _moment(cells["time"], "time", end=False)
    if until <= time:
        raise RowFault("until: is before time")
    said_any = cells["advertiser"].lower() in ANY
    advertiser = "" if said_any else cells["advertiser"]
    return ConsentRow(
        _recipient(cells), advertiser, category, state, time, until, cells["proof"], cells["reviewed_by"], line, said_any
    )


def _preference(cells: Cells, line: int) -> PreferenceRow:
    _needed(cells, "recipient")
    days = _several(cells["days"])
    for day in days:
        if day not in people.DAY_TYPES:
            raise RowFault(f"days: {unknown('day', day, people.DAY_TYPES)}")
    hours = tuple(map(_hours, _several(cells["hours"])))
    return PreferenceRow(_recipient(cells), _word(cells, "category", _CATEGORIES, ""), hours, frozenset(days), line)


def _test_number(cells: Cells, line: int) -> TelephoneRow:
    _needed(cells, "number")
    number = _recipient(cells, "number")
    if cells["agent"] and not _URL.fullmatch(cells["agent"]):
        raise RowFault(f"agent: '{cells['agent']}' is no URL (like http://192.0.2.7:8080/reply)")
    return TelephoneRow(number, cells["carrier"], cells["note"], cells["agent"], line)


_FILING_ROWS: dict[str, Callable[[Cells, int], object]] = {
    "signatures": _signature, "filings": _filing, "advertisers": _advertiser, "licences": _licence, "ports": _port,
}  # fmt: skip


def read_filing_row(name: str, cells: Cells, line: int) -> object:
    """A row of a registry of filings; RowFault."""
    return _FILING_ROWS[name](cells, line)


# --- cells


def _needed(cells: Cells, *names: str) -> None:
    if not all(cells[name] for name in names):
        raise RowFault(f"{' and '.join(names)} must not be empty")


def _several(cell: str) -> list[str]:
    """Words with a space or | between them."""
    return cell.replace("|", " ").split()


def _word(cells: Cells, name: str, known: tuple[str, ...] | list[str], default: str) -> str:
    word = cells[name] or default
    if word and word not in known:
        raise RowFault(f"{name}: {unknown(name, word, known)}")
    return word


def _province(cells: Cells) -> str:
    """The short name; empty for every province."""
    written = cells["province"]
    province = "" if written in ("", "national") else province_of(written)
    if province is None:
        raise RowFault(f"province: {unknown('province', written, PROVINCE_CODES)}")
    return province


def _carrier(cells: Cells) -> str:
    """The short name; empty for every carrier."""
    written = cells["carrier"].lower()
    if written and written not in filings.CARRIERS:
        raise RowFault(f"carrier: {unknown('carrier', written, filings.CARRIERS)}")
    return filings.CARRIERS.get(written, "")


def _person(cells: Cells, name: str) -> str:
    if _IDENTITY.search(cells[name]):
        raise RowFault(f"{name}: holds an identity number (write the person's name only)")
    return cells[name]


def _digest(cells: Cells, name: str) -> str:
    digest = cells[name].lower()
    if digest and not _SHA256.fullmatch(digest):
        raise RowFault(f"{name}: '{digest[:20]}' is no SHA-256 of a file (64 digits; gate106 filing register-letter writes it)")
    return digest


def _span(cells: Cells) -> tuple[float, float]:
    """``from`` and ``to``: whole days, both included; with a time, ``to`` is excluded."""
    first = _moment(cells["from"], "from", end=False) if cells["from"] else -time_windows.NEVER
    last = _moment(cells["to"], "to", end=True) if cells["to"] else time_windows.NEVER
    if last <= first:
        raise RowFault("to: is before from (swap them)")
    return first, last


def _moment(cell: str, name: str, *, end: bool) -> float:
    try:
        at, timed = time_windows.table_moment(cell)
    except ValueError as fault:
        raise RowFault(f"{name}: {fault}") from None
    return at + (time_windows.DAY_S if end and not timed else 0)


def _hours(cell: str) -> tuple[int, int]:
    first, _, last = cell.partition("-")
    try:
        span = time_windows.clock(first), time_windows.clock(last)
    except ValueError:
        raise RowFault(f"hours: '{cell}' is no span of time (write 21:00-08:00)") from None
    if span[0] == span[1]:
        raise RowFault(f"hours: '{cell}' starts when it ends (the whole day: leave hours empty)")
    return span


def _recipient(cells: Cells, name: str = "recipient") -> int:
    try:
        return recipient_of(cells[name])
    except NotARecipient as refused:
        raise RowFault(f"{name}: {refused.why}") from None
