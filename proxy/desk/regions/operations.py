"""Declares the operations on the map of number segments.

In: the map of the rules in force, a number. Out: dates, counts, a province and the table that it comes from; the note for /readyz, and gauges.
Never: a whole number in an answer (its segment decides); a change of the map (command.py proposes one).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from proxy.i18n.text import Bilingual
from proxy.model.number import NotARecipient, mask, recipient_of
from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Text
from proxy.operations.terminal import in_words_of_reader, table_lines
from proxy.policy.condition import OneOf, leaves
from proxy.policy.registries.regions import PREFIX_SEGMENTS, Regions, Source, dated_s
from proxy.policy.ruleset import RuleSet

DAY_S = 86_400
OLD_S = 365 * DAY_S
"""A map of this age is noted: some 3 % of the segments in use are missing by then."""
SOURCE = {"source": str, "date": str}
COUNTED = SOURCE | {"segments": int}
PREFIX = {"prefix": str, "segments": int, "share": float, "sources": [COUNTED]}
PLACE = {"province": str, "city": str} | SOURCE


def source_row(source: Source | None) -> dict[str, Any]:
    return {"source": source.name if source else "", "date": source.date if source else ""}


def counted_rows(counts: dict[Source, int]) -> list[dict[str, Any]]:
    return [source_row(source) | {"segments": count} for source, count in counts.items()]


def as_of(row: Any) -> str:
    """``phone.dat of 2023-12``."""
    source, date = row["source"], row["date"]
    return in_words_of_reader(Bilingual(f"{source} of {date}", f"{source}（{date}）")) if date else str(source)


def _state(answer: Answer) -> Iterator[str]:
    traffic = answer["traffic"]
    yield f"the map is of {answer['date'] or 'no date'}, {answer['age_days']:,} days old, and knows {answer['segments']:,} segments"
    yield f"of the segments in use about {answer['unknown_share']:.1%} are missing (estimated by its age)"
    if traffic["messages"]:
        yield f"of {traffic['messages']:,} messages since the start {traffic['unknown']:,} went to no known province ({traffic['share']:.2%})"
    for one in answer["sources"]:
        yield f"  {one['segments']:>8,}  {as_of(one)}"
    rows = (
        (
            one["prefix"],
            f"{one['segments']:,}",
            f"{one['share']:.1%}",
            ", ".join(f"{as_of(of)} {of['segments']:,}" for of in one["sources"]),
        )
        for one in answer["prefixes"]
    )
    yield from table_lines(("prefix", "segments", f"of {PREFIX_SEGMENTS:,}", "from"), rows, "no segment is known")


def _number(answer: Answer) -> Iterator[str]:
    if not answer["source"]:
        yield f"{answer['number']}: no table has segment {answer['segment']}"
        return
    yield f"{answer['number']}: {answer['province']} {answer['city']}, by {as_of(answer)} (segment {answer['segment']})"
    for other in answer["instead_of"]:
        yield f"  instead of {other['province']} {other['city']}, by {as_of(other)}"
    yield "  a number that was ported to another carrier keeps its region"


class RegionMap(Operations, group="regions", help="The map of number segments: how old it is, what it says, newer tables."):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @operation(
        Permission.SEE, name="regions", command="regions show", get=True, text=_state, example="gate106 regions show",
        answer={
            "date": str, "age_days": int, "segments": int, "unknown_share": float, "sources": [COUNTED], "prefixes": [PREFIX],
            "traffic": {"messages": int, "unknown": int, "share": float},
        },
    )  # fmt: skip
    async def show(self, call: Call) -> Answer:
        """Show the date of the map of number segments, its tables and how many segments of each prefix it knows."""
        regions, now, tally = self._gate.relay.rules.regions, self._gate.now(), self._gate.relay.tally
        return {
            "date": regions.date,
            "age_days": int(regions.age_s(now) / DAY_S),
            "segments": regions.known,
            "unknown_share": round(regions.unknown_share(now), 4),
            "sources": counted_rows(regions.count_by_source()),
            "prefixes": [
                {
                    "prefix": prefix, "segments": sum(counts.values()), "share": sum(counts.values()) / PREFIX_SEGMENTS,
                    "sources": counted_rows(counts),
                }
                for prefix, counts in regions.count_by_prefix().items()
            ],
            "traffic": _traffic(sum(tally.submits.values()), sum(tally.unknown_region.values())),
        }  # fmt: skip

    @operation(
        Permission.SEE, command="regions find", text=_number, example="gate106 regions find 19201234567",
        answer={"number": str, "segment": str, **PLACE, "instead_of": [PLACE]},
    )  # fmt: skip
    async def number(
        self, call: Call, number: Annotated[str, Text("A number, or its first seven digits.", 40, flag="-", metavar="NUMBER")]
    ) -> Answer:
        """Show the province and city of a number, and the table that says so. Only its first seven digits are read."""
        regions, recipient, shown = self._gate.relay.rules.regions, *_read_number(number)
        return {
            "number": shown, "segment": str(recipient // PREFIX_SEGMENTS), **_answer(regions, recipient),
            "instead_of": _packaged_answer(regions, recipient),
        }  # fmt: skip


def _read_number(said: str) -> tuple[int, str]:
    """The recipient, and how it is shown. CommandRefused."""
    if re.fullmatch(r"1[3-9]\d{5}", said.strip(), re.ASCII):
        return int(said) * PREFIX_SEGMENTS, said.strip()
    try:
        recipient = recipient_of(said)
    except NotARecipient as fault:
        raise CommandRefused(f"number: {fault.why}") from None
    return recipient, mask(recipient)


def _answer(regions: Regions, recipient: int) -> dict[str, Any]:
    province, city = regions.of(recipient)
    return {"province": province, "city": city} | source_row(regions.source_of(recipient))


def _packaged_answer(regions: Regions, recipient: int) -> list[dict[str, Any]]:
    """What the packaged map says where the carrier's rows say something else."""
    packaged = Regions.load()
    if packaged.source_of(recipient) is None or packaged.of(recipient) == regions.of(recipient):
        return []
    return [_answer(packaged, recipient)]


def merged_map(answers: Sequence[Answer]) -> dict[str, Any]:
    """Answers of several workers to ``regions``: their traffic is added up."""
    return {
        **answers[0],
        "traffic": _traffic(*(sum(one["traffic"][name] for one in answers) for name in ("messages", "unknown"))),
    }


def _traffic(messages: int, unknown: int) -> dict[str, Any]:
    return {"messages": messages, "unknown": unknown, "share": unknown / messages if messages else 0.0}


# -- for health and metrics


def notes(rules: RuleSet, now: float) -> list[str]:
    """That the map is old, where a rule in force asks the region."""
    regions = rules.regions
    if regions.age_s(now) < OLD_S or not _asked(rules):
        return []
    share = f"{regions.unknown_share(now):.1%} of the segments in use"
    return [f"regions: the map of number segments is of {regions.date}: about {share} are missing (gate106 regions import)"]


def _asked(rules: RuleSet) -> bool:
    return any(
        isinstance(leaf, OneOf) and leaf.field in ("province", "city")
        for rule in rules.rules
        if rule.mode != "off"
        for leaf in leaves(rule.when)
    )


def gauges(regions: Regions) -> dict[str, Any]:
    """For ``operations.metrics.Gauges``."""
    return {"regions_date_s": dated_s(regions.date) if regions.date else 0.0}
