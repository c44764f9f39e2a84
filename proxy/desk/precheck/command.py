"""Implements ``gate106 precheck``: what would be refused, and what to change.

A campaign is a text file (one text a line), or CSV with a heading (text, and perhaps to, from); in UTF-8, GBK or UTF-16. Never: half a file: a
fault is reported with its line, and nothing is checked.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from proxy.desk.explain.command import At, Folder, Given, context_of, moment, provider_of
from proxy.i18n.labels import REASONS
from proxy.i18n.phrases import Bilingual, in_language, term
from proxy.model.number import NotARecipient, masked_repr, recipient_of
from proxy.model.redact import mask_digits, mask_numbers
from proxy.model.roles import Permission
from proxy.operations.declaration import Program, command
from proxy.operations.files.row_files import encoding_of
from proxy.operations.parameters import Choice, Text
from proxy.operations.terminal import Control, Json, choose_language, fail, note, print_answer
from proxy.policy.registries.table_words import NUMBERS, places

if TYPE_CHECKING:
    from proxy.model.message import Category
    from proxy.policy.explanation.precheck import Count, Forecast
    from proxy.policy.ruleset import RuleSet

SHOWN = 40  # characters of a text
PLACES_SHOWN = 6


@masked_repr
class TextForecast(NamedTuple):
    text: CampaignText
    port: str
    shown: str  # without anybody's number; of a one-time password without digits
    forecast: Forecast
    tally: Count | None  # None: it says no recipients


def reason_in(reason: str, language: str) -> str:
    """A reason in words; `not-permitted` stands for those that no provider is told."""
    return reason if language == "en" else {**REASONS, "not-permitted": "不得发送给该号码"}.get(reason, reason)


@command(
    "precheck",
    Program(permission=Permission.SEE, answer={"revision": str, "refused": Any, "texts": [object]}, takes_file=True),
    example="gate106 precheck campaign.csv --provider jia --from 1069012345",
)
def precheck(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A text a line, or CSV with columns text, and perhaps to, from.")
    ],
    from_: Annotated[str, Text("The port (source address) of texts that name none.", 20)] = "",
    provider: Annotated[str, Text("The provider's name.")] = "",
    category: Annotated[
        str | None, Choice("otp, notice or marketing, if it is declared.", ("otp", "notice", "marketing"))
    ] = None,
    at: At = None,
    rules: Folder = None,
    config: Given = None,
    control: Control = None,
    lang: Annotated[str | None, Choice("zh or en; default: of the locale, zh where it is neither.", ("zh", "en"))] = None,
    json: Json = False,
) -> None:
    """Check each text of a campaign: its verdict, why, what to change, and what depends on the recipient and is not known here.
    Numbers are masked. Exit 1 if a text would be refused for any recipient."""
    from proxy.model.message import Category

    language = choose_language(lang)
    try:
        texts = read_campaign(file)
        declared = Category.of(category) if category else None
    except ValueError as error:
        fail(error)
    context = context_of(rules, config, control, lang or "")
    known = provider_of(context.settings, provider)
    for one in texts:
        if not (one.port or from_):
            fail(f"{file}:{one.line}: no port (say --from, or add a column from)")
        if known is not None and not _owns(known.ports, one.port or from_):
            fail(f"{file}:{one.line}: from: {one.port or from_} is none of the ports of '{provider}' in the settings")
    since = known.since if known is not None else None
    declared = known.category if declared is None and known is not None else declared
    checked = list(_checked(context.rules, texts, from_, provider, declared, since, moment(at)))
    refused = sum(bool(one.forecast.outcome) for one in checked)
    for line in context.notes:
        note(line)
    told = {"revision": context.rules.revision, "refused": refused, "texts": [_as_dict(one) for one in checked]}
    print_answer(told, json, _lines(checked, refused, language))
    raise typer.Exit(1 if refused else 0)


def _owns(ports: tuple[str, ...], port: str) -> bool:
    return any(port == own or (own.isdigit() and port.startswith(own)) for own in ports)


def _checked(
    rules: RuleSet, texts: list[CampaignText], sender: str, provider: str, declared: Category | None, since: float | None,
    at: float,
) -> Iterator[TextForecast]:  # fmt: skip
    from proxy.model.message import Content, Sender
    from proxy.policy.explanation import precheck
    from proxy.policy.explanation.history import Past, PastCounts

    pasts: dict[int, Past] = {}
    counts = PastCounts()
    for one in texts:
        port = one.port or sender
        who = Sender.of(provider, provider, port, "", declared, since)
        content = Content(one.text, "readable", b"")
        found = precheck.forecast(rules, who, content, at)
        count = precheck.count_over(rules, who, content, one.people, at, pasts, counts) if one.people else None
        facts = rules.facts(who, rules.reader.read(content).traits, at)
        is_code = "otp" in (facts.category.word, facts.classified.word)
        shown = mask_digits(one.text) if is_code else mask_numbers(one.text)
        yield TextForecast(one, port, shown, found, count)


# --- for programs


def _as_dict(one: TextForecast) -> dict[str, Any]:
    found = one.forecast
    return {
        "line": one.text.line, "text": one.shown, "from": one.port, "verdict": found.outcome.word,
        "objections": [{"rule": each.rule, "reason": each.reason, "change": mask_numbers(each.change)} for each in found.everywhere],
        "somewhere": [
            {"rule": each.rule, "reason": each.reason, "where": list(each.where), "change": mask_numbers(each.change)}
            for each in found.somewhere
        ],
        "depends": [{"rule": each.rule, "reason": each.reason, "on": str(each.on)} for each in found.depends],
        "recipients": one.tally.as_dict() if one.tally is not None else None,
    }  # fmt: skip


# --- for people


def _lines(checked: list[TextForecast], refused: int, language: str) -> Iterator[str]:
    def put(english: str, chinese: str) -> str:
        return in_language(Bilingual(english, chinese), language)

    for one in checked:
        found, shown = one.forecast, one.shown[:SHOWN] + ("…" if len(one.shown) > SHOWN else "")
        verdict = in_language(term(found.outcome.word), language)
        yield put(f"line {one.text.line}: {verdict}: {shown}", f"第 {one.text.line} 行：{verdict}：{shown}")
        for each in (*found.everywhere, *found.somewhere):
            where = put(" for people in ", "，归属地 ") + _places(each.where, language) if each.where else ""
            word = in_language(term(each.outcome.word), language)
            reason, say = reason_in(each.reason, language), each.say
            yield put(
                f"  {word} {reason} ({each.rule}){where}" + (f": {say}" if say else ""),
                f"  {word} {reason}（{each.rule}）{where}" + (f"：{say}" if say else ""),
            )
            change = mask_numbers(in_language(each.change, language))
            yield put(f"    to pass: {change}", f"    要通过：{change}")
        if found.depends:
            names = ", ".join(depends.rule for depends in found.depends)
            yield put(f"  depends on the recipient: {names}", f"  取决于号码：{names}")
        if one.tally is not None:
            yield _people(one.tally, language)
    asked = {depends.rule: depends for one in checked for depends in one.forecast.depends}
    for depends in asked.values():
        on = in_language(depends.on, language)
        yield put(
            f"{depends.rule} ({depends.reason}) looks at: {on}",
            f"{depends.rule}（{reason_in(depends.reason, 'zh')}）要看：{on}",
        )
    yield put(
        f"{len(checked)} texts, {refused} refused for every recipient. Earlier messages to a recipient, and opt-outs by reply, "
        "are not known here.",
        f"共 {len(checked)} 条文案，{refused} 条无论发给谁都会被拒。号码收过什么、是否回复过退订，这里不知道。",
    )


def _places(where: tuple[str, ...], language: str) -> str:
    more = len(where) - PLACES_SHOWN
    shown = ("、" if language == "zh" else ", ").join(in_language(term(one), language) for one in where[:PLACES_SHOWN])
    return shown + (f" … (+{more})" if more > 0 else "")


def _people(count: Count, language: str) -> str:
    if language == "zh":
        listed = {reason: f"（{'、'.join(people)}）" for reason, people in count.shown.items()}
        each = (f"；{reason_in(one, language)} {number}{listed.get(one, '')}" for one, number in count.refused.most_common())
        return f"  号码 {count.total} 个：放行 {count.allowed}{''.join(each)}"
    shown = {reason: f" ({', '.join(people)})" for reason, people in count.shown.items()}
    refused = "".join(f"; {reason} {number}{shown.get(reason, '')}" for reason, number in count.refused.most_common())
    return f"  recipients {count.total}: allow {count.allowed}{refused}"


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
