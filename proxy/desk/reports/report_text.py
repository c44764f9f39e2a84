"""Prepares a day's report for display, as text and as JSON.

Page and PDF show the same View.

In: a DayReport, the least count that is shown apart. Out: a View, lines, a dictionary for JSON. Never: a number of anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.desk.reports import disclosure_control
from proxy.desk.reports.daily_report import FATES, UNREAD, DayReport
from proxy.desk.reports.disclosure_control import LEAST, cell_text, merge_small, shown, shown_number
from proxy.i18n.text import Bilingual
from proxy.policy.time_windows import local

if TYPE_CHECKING:
    from proxy.archive.signed_heads import Head

FIELDS = ("provider", "province", "category")
SIGNATURES_SHOWN = 25
ROWS_SHOWN = 40
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OptOutCounts:
    """Of one provider or signature."""

    name: str
    count: int | str
    """As it may be shown beside the total."""
    sent: int
    per_10k: float | None


class View:
    """A sheet as it may be shown."""

    def __init__(self, sheet: DayReport, least: int = LEAST, heads: Sequence[Head] = ()) -> None:
        """``heads``: of the journal, for that day, of each node; none before it was rolled."""
        self.sheet, self.least, self.heads = sheet, least, tuple(heads)

    @property
    def day(self) -> str:
        return local(self.sheet.since)[:10]

    def table(self, name: str) -> dict[str, Counter[str]]:
        """Fates by reason, provider, province or category."""
        return merge_small(self.sheet.by(name), self.least)

    def signatures(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for (name, fate), count in self.sheet.signatures.items():
            found.setdefault(name or "(none)", Counter())[fate] += count
        ordered = sorted(found.items(), key=lambda one: (-one[1].total(), one[0]))
        together = merge_small(dict(ordered), self.least)
        return dict(list(together.items())[:SIGNATURES_SHOWN])

    def cells(self, rows: Mapping[str, Counter[str]]) -> dict[str, dict[str, int | str]]:
        return disclosure_control.cells(rows, FATES, self.least)

    def hours(self) -> list[tuple[int, dict[str, int | str]]]:
        """Counts by hour, as they may be shown beside the sum of the day."""
        counted = {str(hour): Counter({fate: self.sheet.hours[hour, fate] for fate in FATES}) for hour in range(24)}
        return [(int(hour), one) for hour, one in self.cells(counted).items()]

    def optouts_by_provider(self) -> list[OptOutCounts]:
        counted = self.sheet.optouts  # all are listed, of signatures some
        cells = disclosure_control.cells(
            {name: Counter({"optouts": count}) for name, count in counted.items()}, ("optouts",), self.least
        )
        return self._optouts(counted, self.sheet.marketing_by, {name: row["optouts"] for name, row in cells.items()})

    def optouts_by_signature(self) -> list[OptOutCounts]:
        """Rates of opt-outs by signature, the highest first; only of signatures large enough to have a rate."""
        found = [
            one for one in self._optouts(self.sheet.refused, self.sheet.marketing, {}) if one.per_10k is not None and one.name
        ]
        return sorted(found, key=lambda one: -(one.per_10k or 0))[:SIGNATURES_SHOWN]

    def _optouts(self, counted: Counter[str], sent: Mapping[str, int], cells: Mapping[str, int | str]) -> list[OptOutCounts]:
        """``cells``: counts as they may be shown beside each other."""
        found = []
        for name, count in counted.most_common():
            cell = cells[name] if cells else shown_number(count, self.least)
            rate = disclosure_control.rate(count, sent.get(name, 0), self.least) if isinstance(cell, int) else None
            found.append(OptOutCounts(name, cell, sent.get(name, 0), rate))
        return found

    # -- rows of cells, for page and paper

    def fate_rows(self) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        """(by what, rows of a name and its counts)."""
        for field in (*FIELDS, "signature"):
            rows = self.cells(self.signatures() if field == "signature" else self.table(field)).items()
            yield field, [(name or "(none)", *(cell_text(one[fate]) for fate in FATES)) for name, one in rows]

    def reason_rows(self) -> list[tuple[str, int]]:
        return [(name, one.total()) for name, one in self.table("reason").items()]

    def optout_rows(self) -> Iterator[tuple[str, OptOutCounts, tuple[str, str]]]:
        """(provider or signature, which, its count and its rate) of each that has a rate."""
        for kind, found in (("provider", self.optouts_by_provider()), ("signature", self.optouts_by_signature())):
            for one in found:
                if one.per_10k is not None:
                    yield kind, one, (cell_text(one.count), f"{one.per_10k:.2f}")

    def answer_rows(self) -> list[tuple[str, str]]:
        return [(word, shown(count, self.least)) for word, count in self.sheet.answers.most_common()]

    def unknown_rows(self) -> list[tuple[str, str]]:
        return [(name or "all", f"{share:.2%}") for name, share in self.unknown()]

    # --

    def unknown(self) -> list[tuple[str, float]]:
        """The share of submits to numbers of unknown region, of all and by provider."""
        rows: dict[str, list[int]] = {}
        for key, count in self.sheet.submits.items():
            if key.category == UNREAD:
                continue
            for name in ("", key.provider):
                row = rows.setdefault(name, [0, 0])
                row[0] += count * (key.province == UNKNOWN)
                row[1] += count
        large = [
            (name, row[0] / row[1]) for name, row in rows.items() if row[1] >= self.least * 10 and not 0 < row[0] < self.least
        ]
        return sorted(large, key=lambda one: (bool(one[0]), -one[1], one[0]))

    def shadow(self) -> list[tuple[str, int]]:
        counted: Counter[str] = Counter()
        for (rule, _), count in self.sheet.shadow.items():
            counted[rule] += count
        return counted.most_common(ROWS_SHOWN)

    def hits(self) -> list[tuple[str, int]]:
        return self.sheet.hits.most_common(ROWS_SHOWN)


def as_dict(view: View) -> dict[str, Any]:
    """What ``gate106 report --json`` prints."""
    sheet, least = view.sheet, view.least
    return {
        "day": view.day,
        "submits": {fate: sheet.total(fate) for fate in FATES},
        "by_reason": {name: shown_number(one.total(), least) for name, one in view.table("reason").items()},
        **{f"by_{name}": view.cells(view.table(name)) for name in FIELDS},
        "by_signature": view.cells(view.signatures()),
        "by_hour": [{"hour": hour} | one for hour, one in view.hours()],
        "optouts": {
            "total": shown_number(sheet.optouts.total(), least),
            "by_provider": [_optouts(one, least) for one in view.optouts_by_provider()],
            "by_signature": [_optouts(one, least) for one in view.optouts_by_signature()],
        },
        "unknown_region": {name or "all": round(share, 5) for name, share in view.unknown()},
        "rule_hits": {rule: shown_number(count, least) for rule, count in view.hits()},
        "shadow": {rule: shown_number(count, least) for rule, count in view.shadow()},
        "answers": {word: shown_number(count, least) for word, count in sheet.answers.most_common()},
        "revisions": [one for one in sheet.revisions if one],
        "below": least,
        "heads": [{"node": one.node, "last": one.last, "digest": one.digest} for one in view.heads],
    }


def _optouts(one: OptOutCounts, least: int) -> dict[str, Any]:
    per_10k = None if one.per_10k is None else round(one.per_10k, 2)
    return {"name": one.name, "optouts": one.count, "sent": shown_number(one.sent, least), "per_10k": per_10k}


def as_text(view: View) -> Iterator[str]:
    sheet, least = view.sheet, view.least
    in_chinese = dict(zip(FATES, ("放行", "拒绝", "暂缓"), strict=True))
    totals = [(fate, f"{sheet.total(fate):,}") for fate in FATES]
    yield Bilingual(
        f"{view.day}: " + ", ".join(f"{total} {fate}" for fate, total in totals),
        f"{view.day}：" + "，".join(f"{in_chinese[fate]} {total}" for fate, total in totals),
    )
    reasons = ", ".join(f"{name} {shown(one.total(), least)}" for name, one in view.table("reason").items())
    yield f"by reason: {reasons or 'nothing was refused'}"
    for name in FIELDS:
        rows = view.cells(view.table(name)).items()
        yield f"by {name}: " + ", ".join(
            f"{of or '(none)'} " + "/".join(cell_text(one[fate]) for fate in FATES) for of, one in rows
        )
    yield f"opt-outs: {shown(sheet.optouts.total(), least)}"
    for one in view.optouts_by_provider():
        if one.per_10k is not None:
            yield f"  {one.name or '(nobody)'}: {cell_text(one.count)}, {one.per_10k:.2f} in 10,000 advertisements"
    for name, share in view.unknown():
        yield f"region unknown: {share:.2%} of {name or 'all'}"
    for rule, count in view.shadow():
        yield f"shadow rule {rule}: would have stopped {shown(count, least)} that went out"
    for head in view.heads:
        yield f"head of the journal, node {head.node}, up to record {head.last}: {head.digest}"
    if not view.heads:
        yield "head of the journal: not signed yet (the day after, once it is rolled)"
    yield f"(sent/refused/deferred; numbers below {least} are not told)"
