"""Implements ``gate106 lexicon propose``, ``accept``, ``words`` and ``rates``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from proxy.desk.backtest.command import push_base
from proxy.desk.explain.command import Folder
from proxy.desk.revisions.operations import event_lines
from proxy.journal.records.revisions import Revised
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.command_line import TokenFile
from proxy.operations.declaration import Program, command, record_fields
from proxy.operations.parameters import Choice, Integer, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json

if TYPE_CHECKING:
    from proxy.archive.text_outcomes import TextOutcomes
    from proxy.config import Settings
    from proxy.desk.lexicon.rates import Rate
    from proxy.desk.lexicon.word_candidates import ProposedWord, SeenText, Sources
    from proxy.journal.records.complaints import Case
    from proxy.policy.ruleset import RuleSet

WORDS_SHOWN = 50
Since = Annotated[str, Text("How far back from now: 28d, 8w.", 8, "[0-9]{1,6}[smhdw]")]
Kept = Annotated[Path | None, typer.Option("--rules", help="A folder with rules; default: the set that the gate kept last.")]


@command(
    "lexicon propose",
    Program(
        permission=Permission.LOOK, only=("since", "most", "senders"),
        answer={"proposals": [object], "texts": object, "since": float, "until": float},
    ),
    example="gate106 lexicon propose --since 28d --out words.csv",
)  # fmt: skip
def propose(
    since: Since = "28d",
    most: Annotated[int, Integer("How many words.", 1, 1000)] = WORDS_SHOWN,
    senders: Annotated[
        int, Integer("A word must be in advertisements under as many signatures: fewer may share a name.", 1, 100)
    ] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write them as CSV or XLSX, with a column for your decisions.")
    ] = None,
    rules: Kept = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Propose words for the lexicon from the gate's own journal, with their hits and false hits; no gate is asked.

    Advertisements: texts that were refused for their words, or as marketing and read like it, that complaints name, or that a clerk refused.
    Notices: what was delivered as a notice or a code. Nothing changes: a person decides (gate106 lexicon accept)."""
    from proxy.desk.lexicon import word_candidates
    from proxy.operations.files.row_files import write_table

    held = _journal_texts(config, since, rules)
    found = word_candidates.proposals(held.texts, word_candidates.known_words(held.rules.lexicon), most, senders)
    if out is not None:
        period = f"{terminal.format_time(held.since)[:10]} to {terminal.format_time(held.until)[:10]}"
        write_table(out, word_candidates.COLUMNS, word_candidates.rows_to_decide(found, period), "候选词 words")
    answer = {"proposals": [one._asdict() for one in found], **held.about}
    terminal.print_answer(answer, json, _proposed(found, held, out, senders))


@command(
    "lexicon list-words",
    Program(
        at="lexicon/words", permission=Permission.LOOK, only=("since", "most"),
        answer={"words": [object], "texts": object, "since": float, "until": float},
    ),
    example="gate106 lexicon list-words --since 28d --most 20",
)  # fmt: skip
def words(
    since: Since = "28d",
    most: Annotated[int, Integer("How many words.", 1, 100_000)] = WORDS_SHOWN,
    rules: Kept = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List words of the lexicon in force with their hits and false hits in the gate's own journal, those with most false hits first.

    Hits and false hits as in gate106 lexicon propose: a word that is false too often can be rejected (lexicon/reviewed.csv)."""
    from proxy.desk.lexicon.word_candidates import word_hits

    held = _journal_texts(config, since, rules)
    found = word_hits(held.texts, held.rules.reader)[:most]
    heads = ("word", "for", "weight", "hits", "false", "where")
    rows = [(one.word, one.purpose, one.weight, one.hits, one.false_hits, one.where) for one in found]
    lines = [*terminal.table_lines(heads, rows, "no word of the lexicon is in these texts"), *_texts_read(held)]
    terminal.print_answer({"words": [one._asdict() for one in found], **held.about}, json, lines)


class _JournalTexts(NamedTuple):
    """The texts of a period of the journal, and the rules whose lexicon reads them."""

    rules: RuleSet
    texts: list[SeenText]
    sources: Sources
    outcomes: TextOutcomes
    since: float
    until: float

    @property
    def about(self) -> dict[str, Any]:
        return {"texts": self.sources._asdict(), "since": self.since, "until": self.until}


def _journal_texts(config: Path, since: str, rules: Path | None) -> _JournalTexts:
    import time

    from proxy.desk.lexicon.word_candidates import seen_texts

    settings = terminal.settings_of(config)
    until = time.time()
    begin = until - (terminal.seconds(since, "--since") or 0.0)
    judged = terminal.load_rules(rules or _kept_last(settings))
    cases = _cases(settings, begin)
    outcomes = _outcomes(config, begin, until, [one.message for one in cases if one.message])
    reviewed = {row.key: row.verdict for row in judged.registry.reviewed.rows}
    texts, sources = seen_texts(outcomes.texts, [one.text for one in cases if one.text], reviewed, judged.reader)
    return _JournalTexts(judged, texts, sources, outcomes, begin, until)


def _kept_last(settings: Settings) -> Path:
    """The set that is in force, or waits for a second person; the folder of the settings, where none was kept."""
    from proxy.state.revision_store import RevisionStore

    kept = RevisionStore(settings.revisions.folder, settings.revisions.keep)
    revisions = kept.all()
    return kept.path(revisions[-1]) if revisions else settings.rules


def _cases(settings: Settings, begin: float) -> list[Case]:
    """Complaints since then that are valid or not decided yet, from the store's file."""
    import sqlite3
    from contextlib import closing

    from proxy.journal.encoding import unpack
    from proxy.journal.records.complaints import OPEN, VALID, Case

    path = terminal.store_of(settings)
    if path is None:
        terminal.note("the store is no file that can be read: complaints are not counted")
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            bodies = [body for (body,) in database.execute("SELECT data FROM cases WHERE key > 0")]
        cases = [unpack(Case, body) for body in bodies]
    except (sqlite3.Error, ValueError) as error:
        terminal.fail(f"store {path}: {error}")
    return [one for one in cases if one.state in (OPEN, VALID) and one.came >= begin]


def _outcomes(config: Path, begin: float, until: float, complained: list[str]) -> TextOutcomes:
    from proxy.archive.text_outcomes import text_outcomes
    from proxy.operations.files.journal_access import journals_of, keys_of, places_of

    places = places_of(config, every=True)
    folder, journals, keys = places.archive.folder, journals_of(places), keys_of(places)
    return text_outcomes(folder, journals, keys, since=begin, until=until, complained=complained)


def _proposed(found: list[ProposedWord], held: _JournalTexts, out: Path | None, senders: int) -> Iterator[str]:
    from proxy.desk.lexicon.word_candidates import HITS_LEAST, WEIGHTS

    heads = ("word", "weight", "hits", "false", "new", "turned", "senders")
    rows = [(one.word, one.weight, one.hits, one.false_hits, one.new, one.turned, one.senders) for one in found]
    yield from terminal.table_lines(heads, rows, "no word is proposed")
    if not found:
        often = f"{WEIGHTS[-1][0]:.0f} times as often in them as in notices"
        yield f"a word must be in {HITS_LEAST} advertisements or more, under {senders} signatures (--senders), and {often}"
    yield from _texts_read(held)
    if out is not None:
        yield f"{out}: fill in the column decision with yes or no, then: gate106 lexicon accept {out} --why …"


def _texts_read(held: _JournalTexts) -> Iterator[str]:
    from proxy.archive.text_outcomes import TEXTS_MAX

    of = held.sources
    yield (
        f"different texts: {of.refused} refused, {of.complained} complained of, {of.reviewed} refused by a clerk; "
        f"{of.delivered} delivered notices and codes"
    )
    if held.outcomes.truncated:
        yield f"NOT COMPLETE: only the {TEXTS_MAX:,} texts that were sent most often were read (a shorter --since)"
    for fault in (*held.outcomes.covered.faults, *held.outcomes.covered.missing):
        yield f"NOT COMPLETE: {fault}"


@command(
    "lexicon accept",
    Program(
        permission=Permission.ENTER, takes_file=True,
        answer=record_fields(Revised, accepted=int, rejected=int, undecided=int),
    ),
    example="gate106 lexicon accept words.csv --why 'words of November'",
)  # fmt: skip
def accept(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What propose --out wrote, with decisions: yes or no.")],
    why: Annotated[str, Reason()],
    token_file: TokenFile = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Bring a person's decisions on proposed words to the gate, as a new set of rules: with two persons it waits for the second.

    Accepted words go into lexicon/reviewed.csv; rejected ones, too, so that they are not proposed again. Rows without a decision are left."""
    from proxy.desk.lexicon import word_candidates
    from proxy.operations.files.upload import read_sheet

    sheet = read_sheet(file, lambda rows: word_candidates.read_decisions(file.name, rows), "changed")
    decided = sheet.decisions
    if not decided:
        terminal.fail(f"{file.name}: no row has a decision (yes or no in the column decision)")
    on, files, _ = push_base(config, control)
    text = word_candidates.with_decisions(files.get(word_candidates.FILE, b"").decode(), decided)
    answer = terminal.push_rules(config, control, on, {word_candidates.FILE: text}, why)
    accepted = sum(one.accepted for one in decided)
    counts = {"accepted": accepted, "rejected": len(decided) - accepted, "undecided": sheet.undecided}
    lines = [f"{accepted} words accepted, {len(decided) - accepted} rejected, {sheet.undecided} without a decision"]
    terminal.print_answer({**answer, **counts}, json, [*lines, *event_lines(answer)])


@command(
    "lexicon measure",
    Program(at="lexicon/rates", permission=Permission.SEE, takes_file=True, answer={"rates": [object], "bad_rows": int}),
    example="gate106 lexicon measure november.csv --rules rules/",
)  # fmt: skip
def rates(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Labelled texts: CSV, XLSX, an object a line (.jsonl), or a text a line (.txt)."),
    ],
    label: Annotated[
        str, Choice("Of all texts, where the files have no labels.", ("marketing", "notice", "otp", "spam", "ham"))
    ] = "",
    rules: Folder = None,
    config: Annotated[Path | None, typer.Option("--config", help="The settings (YAML): where the rules are.")] = None,
    json: Json = False,
) -> None:
    """Measure how many labelled texts of your own the lexicon reads as marketing: by file (or its column source) and label. Only rates are
    printed, no text. Columns: text, label (marketing or spam, notice or ham, otp), and perhaps source. Exit 1 if rows could not be read."""
    from proxy.desk.lexicon import rates as measured

    if label and measured.label_of(label) is None:
        terminal.fail(measured.unknown_label(label))
    rules = rules or (Path("rules") if config is None else terminal.settings_of(config).rules)
    reader = terminal.load_rules(rules).reader
    found: list[Rate] = []
    bad = 0
    for file in files:
        texts, faults = measured.read_labelled(file, label)
        for problem in faults.problems:
            terminal.warn(problem)
        bad += faults.bad
        found += measured.rates(texts, reader)
    answer = [*found, *(measured.totals(found) if len(found) > 1 else ())]
    terminal.print_answer({"rates": [_rate(one) for one in answer], "bad_rows": bad}, json, _rate_lines(answer, bad))
    raise typer.Exit(1 if bad else 0)


def _rate(one: Rate) -> dict[str, Any]:
    shares = {f"{name}_share": round(getattr(one, name) / one.texts, 5) for name in ("surely", "likely", "codes")}
    return one._asdict() | shares


def _rate_lines(found: Iterable[Rate], bad: int) -> Iterator[str]:
    rows = []
    for one in found:
        shares = (f"{100 * count / one.texts:.2f} %" for count in (one.surely, one.likely, one.codes))
        rows.append((one.source, one.label, one.texts, *shares))
    heads = ("source", "label", "texts", "surely", "with likely", "read as code")
    yield from terminal.table_lines(heads, rows, "no text was read")
    if bad:
        yield f"{bad} rows could not be read"
