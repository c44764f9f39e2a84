"""Implements ``gate106 find``: messages in the journal at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.archive.query import LIMIT_MAX, SKIP_MAX
from proxy.i18n.catalog import CLOSED, COUNTED, in_language
from proxy.i18n.labels import FATES, RECEIPTS, SCOPES, reason_in_chinese, without_account
from proxy.i18n.phrases import Bilingual, both
from proxy.model.message import CATEGORY_WORDS
from proxy.model.redact import mask_numbers
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.files.journal_access import journals_of, keys_of, places_of, record_access
from proxy.operations.parameters import DURATION, MOMENT, Choice, Flag, Integer, Reason, Recipient, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, format_time, in_words_of_reader
from proxy.policy.registries.regions import PROVINCE_CODES, UNKNOWN, Regions
from proxy.runtime import hardening

if TYPE_CHECKING:
    from proxy.archive.coverage import CoverageReport
    from proxy.archive.query import Query
    from proxy.archive.search import Facets, HistoryEvent, Hit, SearchResult
    from proxy.archive.secret_keys import ArchiveKeys
    from proxy.config import ArchiveLocations

DAY_S = 86_400.0
FACET_VALUES_MAX = 40
NOWHERE = "归属地查不到"
Names = Mapping[str, Bilingual]
"""States of events that say a signature's hash → the same with its name."""
NO_NAMES: Names = {}


@command(
    "find",
    Program(
        permission=Permission.LOOK,
        answer={"messages": [object], "more": Any, "events": [object], "covered": object, "facets?": object},
    ),
    Program(at="find/export", permission=Permission.TAKE_OUT, out="--out", media=CSV, required=("why",)),
    example="gate106 find --to 13800210500 --at '2026-11-11 10:05' --from 1069",
)
def find(
    to: Annotated[str | None, Recipient()] = None,
    at: Annotated[str | None, Text("About when it came (Beijing time).", pattern=MOMENT)] = None,
    within: Annotated[str, Text("How far from --at.", 8, DURATION)] = "10m",
    since: Annotated[str | None, Text("From when on, instead of --at.", pattern=MOMENT)] = None,
    until: Annotated[str | None, Text("And up to when.", pattern=MOMENT)] = None,
    from_: Annotated[str, Text("Some digits of the port it came from.", 20, "[0-9]{1,20}")] = "",
    signature: Annotated[str, Text("What stands in 【】, or a part of it.", 100)] = "",
    text: Annotated[str, Text("Some words of it.", 200)] = "",
    provider: Annotated[str, Text("Who sent it.", 100)] = "",
    verdict: Annotated[str, Choice("allow, defer or reject.", ("allow", "defer", "reject"))] = "",
    reason: Annotated[str, Text("Why it was refused.", 60)] = "",
    category: Annotated[str, Choice("Only of this category.", tuple(CATEGORY_WORDS))] = "",
    province: Annotated[str, Choice("Only to numbers of this province.", (*PROVINCE_CODES, UNKNOWN))] = "",
    limit: Annotated[int, Integer("How many messages, the newest.", 1, 1000)] = 50,
    skip: Annotated[int, Integer("Messages to pass over: those of earlier pages.", 0, SKIP_MAX)] = 0,
    facets: Annotated[bool, Flag("Count the messages that fit by provider, reason, category, province and day, too.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write them as CSV or XLSX to a new file (up to 20,000). Needs --why.")
    ] = None,
    unmasked: Annotated[bool, Flag("Show whole numbers. Needs --why.")] = False,
    why: Annotated[str, Reason()] = "",
    prove: Annotated[bool, Flag("Read every file the answer stands on and compare it with what was written.")] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Find messages, with their parts, answers and receipts; with nothing found, what was looked through. Exit 1 if nothing fits.

    The journal keeps who looked for a person, or saw whole numbers.
    """
    from proxy.archive.query import BadQuery, Query
    from proxy.model.number import NotARecipient, recipient_of

    hardening.restrict_umask()
    if (unmasked or out is not None) and not why.strip():
        terminal.fail(f"find: {'--unmasked' if unmasked else '--out'} needs --why (the journal keeps it)")
    try:
        begin, end = _span(at, within, since, until)
        person = recipient_of(to) if to is not None else 0
        question = Query(
            person, begin, end, from_, signature, text, provider, verdict, reason, limit, category, province, skip
        ).checked()
    except NotARecipient as fault:
        terminal.fail(f"--to: {fault}")
    except BadQuery as fault:
        terminal.fail(f"find: {fault} (see --help)")
    terminal.note_unknown(config, provider)
    places = places_of(config, every=True)
    keys = keys_of(places)
    if person or unmasked or out is not None:
        what = "find" if out is None else "find export"
        record_access(places, control, what, question.words(), why=why or None, unmasked=unmasked)
    if out is not None:
        rows = write_found(out, _pages(places, keys, question), keys, question, config, unmasked=unmasked)
        terminal.print_answer({"rows": rows, "file": str(out)}, json, [f"{out}: {rows} rows"])
        return
    province_of = province_look_up(config) if province or facets else None
    found = run_search(places, keys, question, time.time(), thorough=prove, province_of=province_of, facets=facets)
    proved = _proved(found.covered) if prove else None
    numbers = [number_of(hit, keys, unmasked, question) for hit in found.hits]
    names = _named(found, person, config)
    lines = [*_lines(found, numbers, proved, limit, whole=unmasked, names=names)]
    if text:
        lines.append("long messages were searched part by part: words that run over from one part into the next are not found")
    terminal.print_answer(as_dict(found, numbers, proved, whole=unmasked, names=names), json, lines)
    raise typer.Exit(0 if found.hits or found.events else 1)


def province_look_up(config: Path) -> Callable[[int], str]:
    """The province of a number by the map of the rules in the settings; by the one that ships, if they cannot be read."""
    from proxy.config import SettingsError, rules_folder
    from proxy.policy.loading.folder import RulesFolder
    from proxy.policy.loading.problem import RulesError

    try:
        regions = RulesFolder(rules_folder(config)).regions()
    except (SettingsError, RulesError, OSError):
        regions = Regions.load()
    return lambda number: regions.of(number)[0]


HEADS = {
    "time": "时间", "message": "短信编号", "number": "号码", "provider": "通道商", "port": "端口", "category": "类别", "signature": "签名",
    "text": "短信内容", "verdict": "判定", "reason": "原因", "rules": "规则", "became": "后来",
}  # fmt: skip
"""Columns of an export, in Chinese as pages have them."""


ORDERS = {"stopped": "停发指令", "suspended": "暂停指令"}
"""By the reason that an order gives."""


def rules_in_chinese(rules: str, reason: str, titles: Mapping[str, str]) -> str:
    """``~night #9007199254740993``: rules by their titles, orders by their numbers; ``~``: in shadow."""
    from proxy.model.message import ORDER_NUMBERS_FROM

    def named(rule: str) -> str:
        if rule[:1] == "#" and (number := int(rule[1:])) >= ORDER_NUMBERS_FROM:
            return f"{ORDERS.get(reason, '指令')} {number - ORDER_NUMBERS_FROM}"
        return titles.get(rule) or rule

    return "；".join(named(one[1:]) + "（影子）" if one[0] == "~" else named(one) for one in rules.split())


def _titles(config: Path) -> dict[str, str]:
    """Of the rules in the settings, by id; none if they cannot be read."""
    from proxy.config import SettingsError, rules_folder
    from proxy.policy.loading.load_rules import load
    from proxy.policy.loading.problem import RulesError

    try:
        return {one.id: one.say for one in load(rules_folder(config)).rules}
    except (SettingsError, RulesError, OSError):
        return {}


def write_found(
    out: Path, pages: Iterable[SearchResult], keys: ArchiveKeys, question: Query, config: Path, *, unmasked: bool
) -> int:
    """Writes the messages as a new file, which only its owner may read; returns how many. Headings are in both languages where none is asked
    for; in Chinese the gate's own words are Chinese, too, and rules have their titles."""
    from proxy.model.redact import csv_cell
    from proxy.operations.files.row_files import write_table

    shown, count = str if unmasked else mask_numbers, 0
    language = terminal.asked_language()
    word, titles = (_zh, _titles(config)) if language == "zh" else (str, None)
    heads = {"zh": tuple(HEADS.values()), "en": tuple(HEADS)}

    def rows() -> Iterator[list[str]]:
        nonlocal count
        for found in pages:
            for hit in found.hits:
                count += 1
                cells = (
                    format_time(hit.at), hit.name, number_of(hit, keys, unmasked, question), hit.provider, hit.port, word(hit.category),
                    hit.signature, shown(hit.text), word(hit.verdict), word(hit.reason),
                    hit.rules if titles is None else rules_in_chinese(hit.rules, hit.reason, titles),
                    ("；" if language == "zh" else "; ").join(_fate(fate, word) for fate in hit.fates),
                )  # fmt: skip
                yield [csv_cell(one) for one in cells]

    both = tuple(f"{chinese} {name}" for name, chinese in HEADS.items())
    write_table(out, heads.get(language) or both, rows(), {"zh": "短信", "en": "messages"}.get(language, "短信 messages"))
    return count


def _pages(places: ArchiveLocations, keys: ArchiveKeys, question: Query) -> Iterator[SearchResult]:
    """All that fits from ``skip`` on, at most SKIP_MAX messages."""
    question = question._replace(limit=LIMIT_MAX)
    while True:
        found = run_search(places, keys, question, time.time())
        yield found
        if not found.more or question.skip + LIMIT_MAX > SKIP_MAX:
            return
        question = question._replace(skip=question.skip + LIMIT_MAX)


def _span(at: str | None, within: str, since: str | None, until: str | None) -> tuple[float, float]:
    """From when to when; 0 is open."""
    from proxy.policy import time_windows

    def moment(text: str, flag: str) -> tuple[float, bool]:
        try:
            return time_windows.moment(text)
        except ValueError as error:
            terminal.fail(f"{flag}: {error}")

    if at is not None:
        if since is not None or until is not None:
            terminal.fail("find: --at, or --since and --until, not both")
        (middle, timed), around = moment(at, "--at"), terminal.seconds(within, "--within") or 0.0
        return middle - around, middle + (0.0 if timed else DAY_S) + around
    begin = moment(since, "--since")[0] if since else 0.0
    end, timed = moment(until, "--until") if until else (0.0, True)
    return begin, end if timed else end + DAY_S


def run_search(
    places: ArchiveLocations, keys: ArchiveKeys, question: Query, now: float, *, thorough: bool = False,
    province_of: Callable[[int], str] | None = None, facets: bool = False,
) -> SearchResult:  # fmt: skip

    from proxy.archive import search

    return search.find(
        places.archive.folder,
        journals_of(places),
        keys,
        question,
        now,
        thorough=thorough,
        province_of=province_of,
        facets=facets,
    )


def _proved(covered: CoverageReport) -> list[str]:
    """The faults of the files that were searched."""
    from proxy.archive import verification

    return verification.altered((one.path, one.file) for one in covered.files)


def _named(found: SearchResult, person: int, config: Path) -> Names:
    from proxy.desk.optouts.recipient_trace import registry_of
    from proxy.desk.suppression.signature_search import JournalSignatures, names_of
    from proxy.policy.explanation import naming

    states = {one.state for one in found.events if naming.has_hash(one.state)}
    if not states:
        return {}
    in_messages = naming.by_names(names_of(found.hits), JournalSignatures(person, config))
    look_up = naming.by_registry(registry_of(config), in_messages)
    return {one: naming.in_state(one, look_up) for one in states}


# -- told


def number_of(hit: Hit, keys: ArchiveKeys, unmasked: bool, question: Query) -> str:
    from proxy.model.number import mask

    number = question.to or keys.unseal(hit.sealed)
    if not number:
        return "(no number)"
    return str(number) if unmasked else mask(number)


def _lines(
    found: SearchResult, numbers: Sequence[str], proved: list[str] | None, limit: int, *, whole: bool, names: Names = NO_NAMES
) -> Iterator[str]:
    from proxy.archive.search import HIDDEN

    shown = str if whole else mask_numbers  # a person's text, in which other numbers may stand
    for hit, number in reversed(list(zip(found.hits, numbers, strict=True))):
        why, why_zh = (f" {hit.reason}", f" {_zh(hit.reason)}") if hit.reason else ("", "")
        if hit.reason and hit.rules:
            why, why_zh = f"{why} ({hit.rules})", f"{why_zh}（{hit.rules}）"
        long = f", {len(hit.sequences)} of {hit.parts} parts" if hit.parts > 1 else ""
        about = f"{format_time(hit.at)}  {number}  {hit.provider} {hit.port}"
        yield Bilingual(
            f"{about}  {hit.category}  {hit.verdict}{why}  [{hit.name}{long}]",
            f"{about}  {_zh(hit.category)}  {_zh(hit.verdict)}{why_zh}  "
            f"[{hit.name}{long and f'，{len(hit.sequences)}/{hit.parts} 段'}]",
        )
        yield both(f"    {in_words_of_reader(HIDDEN) if hit.text == HIDDEN else shown(hit.text)}")
        for fate in hit.fates:
            yield Bilingual(f"    {format_time(fate.at)}  {_fate(fate)}", f"    {format_time(fate.at)}  {_fate(fate, _zh)}")
    for fate in found.events:
        at, said = format_time(fate.at), _said(fate, names, shown)
        yield Bilingual(
            f"{at}  {fate.what}  {fate.provider} {fate.port}  {said}".rstrip(),
            f"{at}  {FATES.get(fate.what, fate.what)}  {fate.provider} {fate.port}  {said.zh}".rstrip(),
        )
    if found.more:
        yield f"and more: these are {limit} of them (--skip {limit}, or a narrower time)"
    if found.facets is not None:
        yield f"{found.facets.total} messages fit{'' if found.facets.complete else ' among the newest records that were counted'}"
        for facet, counts in found.facets.counts.items():
            values = facet_values(facet, counts)
            words = {UNKNOWN: NOWHERE} if facet == "province" else {}
            yield Bilingual(
                f"  {facet}: " + ", ".join(f"{value} {count}" for value, count in values),
                f"  {CLOSED['dimension'].get(facet, facet)}："
                + "，".join(f"{words.get(value) or _zh(value)} {count}" for value, count in values),
            )
    if not found.hits:
        yield "no message fits"
    yield from coverage_lines(found, proved)


def facet_values(name: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent values; days, the newest first."""
    by_count = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:FACET_VALUES_MAX]
    return sorted(by_count, reverse=True) if name == "day" else by_count


def _zh(word: str) -> str:
    """A word of the closed lists of messages and what became of them."""
    return COUNTED.get(word) or RECEIPTS.get(word, word)


def _fate(fate: HistoryEvent, word: Callable[[str], str] = str) -> str:
    what = fate.what if word is str else FATES.get(fate.what, fate.what)
    state = word(fate.state)
    said = state if word is not str and state.startswith(what) else f"{what} {state}"
    if fate.status:
        said += f" 0x{fate.status:02X}"
    return f"{said}{'  id' if word is str else '，编号'} {fate.message_id}" if fate.message_id else said


def coverage_lines(found: SearchResult, proved: list[str] | None) -> Iterator[str]:
    covered = found.covered
    for span in covered.spans:
        end = "what is written now" if span.live else format_time(span.until)
        gone = f"; what came up to {format_time(span.gone_to)} has gone by retention" if span.gone_to else ""
        yield f"node {span.node}: records {span.first} to {span.last}, {format_time(span.since)} to {end}{gone}"
    if not covered.spans:
        yield "nothing is there to look through: no table, no journal"
    faults = (*covered.faults, *covered.missing)
    for fault in faults:
        yield f"NOT COMPLETE: {fault}"
    for said in covered.unreached:
        yield f"BEYOND WHAT IS THERE: {said}"
    if covered.spans and not faults:
        yield f"the chain holds over all of it; {_files(found, proved)}"
    for fault in proved or ():
        yield f"ALTERED: {fault}"


def _files(found: SearchResult, proved: list[str] | None) -> str:
    count = len(found.covered.files)
    if proved is None and not found.passed_over:
        return f"{count} files can matter, none was proved byte for byte (--prove does that, gate106 journal verify all of it)"
    if proved is None:
        passed = f"of {found.passed_over} the filter says that no such thing is in them"
        return f"{count} files can matter ({passed}), none was proved byte for byte (--prove does that, gate106 journal verify all of it)"
    if proved:
        return f"{count} files can matter, all were read: {len(proved)} are not as they were written"
    return f"{count} files can matter, and are as they were written"


def as_dict(
    found: SearchResult, numbers: Sequence[str], proved: list[str] | None, *, whole: bool = False, names: Names = NO_NAMES
) -> dict[str, Any]:
    """``whole``: with the numbers that stand in texts."""
    shown, covered = str if whole else mask_numbers, found.covered
    faults = [*covered.faults, *covered.missing]
    return {
        "messages": [_hit(hit, number, shown) for hit, number in zip(found.hits, numbers, strict=True)],
        "more": found.more,
        "events": [
            _fate_dict(fate, shown) | _about(names.get(fate.state)) | _both("said", _said(fate, names, shown)) for fate in found.events
        ],
        "covered": {
            "nodes": [span._asdict() for span in covered.spans], "files": len(covered.files), "passed_over": found.passed_over,
            "chain_holds": not (faults or proved), "faults": faults, "unreached": list(covered.unreached), "altered": proved,
        },
    } | ({} if found.facets is None else {"facets": _facets(found.facets)})  # fmt: skip


def _facets(found: Facets) -> dict[str, Any]:
    counts = {
        name: [{"value": value, "count": count} for value, count in facet_values(name, counts)]
        for name, counts in found.counts.items()
    }
    return {"total": found.total, "complete": found.complete, **counts}


def _fate_dict(fate: HistoryEvent, shown: Callable[[str], str]) -> dict[str, Any]:
    return fate._asdict() | {"text": shown(fate.text)}


def _said(fate: HistoryEvent, names: Names, shown: Callable[[str], str]) -> Bilingual:
    """What an event says, for people: what it is about, then what the person wrote, or who of the desk did it, and why."""
    name, text = names.get(fate.state, both(fate.state)), shown(fate.text)
    if fate.what != "officer":
        return Bilingual(f"{name} {text}".strip(), f"{_zh(name.zh)} {text}".strip())
    who, _, why = without_account(text).partition(": ")
    done = "；".join(map(_done, name.zh.split("; ")))
    return Bilingual(f"{name} {who}: {why}", f"{done}，{who}：{in_language(reason_in_chinese(why), 'zh')}")


def _done(state: str) -> str:
    """``+provider jia``: what the desk did, in Chinese."""
    if (sign := {"+": "拒收", "-": "恢复"}.get(state[:1])) is None:
        event = state.partition(" ")[0]
        return {"recycled": "号码换主", "erased": "删除个人信息"}.get(event) or in_language(state, "zh")
    scope, _, value = state[1:].partition(" ")
    return f"{sign} {SCOPES.get(scope, scope)} {_zh(value)}".rstrip()


def _about(state: Bilingual | None) -> dict[str, str]:
    """A state with names, where there is one."""
    return {} if state is None else _both("about", state)


def _both(name: str, said: Bilingual) -> dict[str, str]:
    return {name: str(said), f"{name}_zh": said.zh}


def _hit(hit: Hit, number: str, shown: Callable[[str], str]) -> dict[str, Any]:
    return {
        "id": hit.name, "at": hit.at, "to": number, "provider": hit.provider, "account": hit.account, "from": hit.port,
        "category": hit.category, "signature": hit.signature, "text": shown(hit.text), "verdict": hit.verdict,
        "reason": hit.reason, "status": hit.status, "rules": hit.rules.split(), "revision": hit.revision, "parts": hit.parts,
        "records": hit.sequences, "became": [_fate_dict(fate, shown) for fate in hit.fates],
    }  # fmt: skip
