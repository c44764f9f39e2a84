"""Options, output and errors that the commands share.

An error is one line on stderr and exit 2. What is printed is translated here, by the catalogs of proxy/i18n; JSON stays as it is.
Never: a decision, a number unmasked that the gate did not send so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from proxy.model import redact
from proxy.model.redact import printable
from proxy.runtime.os_errors import in_words

if TYPE_CHECKING:
    from proxy.config import Settings, SettingsError
    from proxy.i18n.text import Bilingual
    from proxy.policy.ruleset import RuleSet


def languages() -> list[str]:
    """The words of ``--lang``, for completion."""
    return ["zh", "en"]


Config = Annotated[Path, typer.Option("--config", help="The settings (YAML): they say where the gate takes commands.")]
Control = Annotated[
    Path | None, typer.Option("--control", envvar="GATE106_CONTROL", help="The gate's control socket, instead of the settings.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Why = Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")]
Language = Annotated[
    str | None,
    typer.Option("--lang", metavar="[zh|en]", autocompletion=languages, help="Default: of the locale, zh where it is neither."),
]
Printed = Annotated[
    str | None,
    typer.Option("--lang", metavar="[zh|en]", autocompletion=languages, help="The language. Default: of the locale, else en."),
]
"""Of commands whose only text for people is what they print."""
LANG = "GATE106_LANG"
PROGRAM = "gate106: "
CONFIG = Path("gate106.yaml")
TOKEN_BYTES_MAX = 4096


def fail(text: object) -> NoReturn:
    """One line on stderr, exit 2."""
    from proxy.i18n.text import Bilingual

    said = Bilingual(PROGRAM + text, PROGRAM + text.zh) if isinstance(text, Bilingual) else None
    warn(said or f"{PROGRAM}{in_words(text) if isinstance(text, OSError) else text}")
    raise typer.Exit(2)


def note(text: object) -> None:
    """One line on stderr, and go on."""
    warn(f"gate106: note: {text}")


def note_unknown(config: Path, provider: str | None) -> None:
    """Notes a name that no provider of the settings has: a slip, or a former provider."""
    from proxy.config import SettingsError, provider_names
    from proxy.config.yaml_file import unknown

    if not provider:
        return
    try:
        names = provider_names(config)
    except SettingsError:
        return
    if names and provider not in names:
        note(f"{unknown('provider of the settings', provider, names)}; told is what there is of one that was called so")


def warn(line: object) -> None:
    """Prints a line on stderr, without control characters."""
    typer.echo(printable(in_words_of_reader(line if isinstance(line, str) else str(line)), " "), err=True)


def choose_language(language: str | None) -> str:
    """The language of answers: the option, else GATE106_LANG, else the locale's, else Chinese."""
    return checked_language(language) if language is not None else _of_environment() or "zh"


class _Printed:
    """The language of what this process prints."""

    asked = ""
    for_programs = False


def use_language(language: str | None) -> None:
    """Prints in this language from now on; None: in that of GATE106_LANG, else the locale's, else in English."""
    _Printed.asked = checked_language(language) if language is not None else ""


def asked_language() -> str:
    """The language of ``--lang``; empty where nothing was asked for."""
    return _Printed.asked


def print_for_programs() -> None:
    """Prints in English whatever is asked for: the console translates it for its reader."""
    _Printed.for_programs = True


def printed_language() -> str:
    """The language of what is printed."""
    return "en" if _Printed.for_programs else _Printed.asked or _of_environment() or "en"


def _of_environment() -> str:
    said = next(filter(None, map(os.environ.get, (LANG, "LC_ALL", "LC_MESSAGES", "LANG"))), "")[:2]
    return said if said in languages() else ""


def checked_language(language: str) -> str:
    """Exit 2 where it is none of ``languages``."""
    from proxy.config.yaml_file import unknown

    if language not in languages():
        fail(f"--lang: {unknown('language', language, languages())}")
    return language


def in_words_of_reader(line: str) -> str:
    """A line in the language of what is printed; ``Bilingual`` in its own words, any other by the catalogs."""
    if printed_language() == "en":
        return line
    from proxy.i18n.catalog import in_language
    from proxy.i18n.labels import without_account
    from proxy.i18n.text import Bilingual

    if isinstance(line, Bilingual):
        return without_account(line.zh)
    bare = line.lstrip(" ").removeprefix(PROGRAM)
    return without_account(line[: len(line) - len(bare)] + in_language(bare, "zh"))


def use_token_file(token_file: Path) -> None:
    """Uses this token for all commands of this process; exit 2 where the file cannot be read."""
    from proxy.operations.client import TOKEN

    try:
        with token_file.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                fail(
                    f"{token_file}: everybody on this machine may read it, so it says nothing of who you are (chmod 600 {token_file})"
                )
            os.environ[TOKEN] = file.read(TOKEN_BYTES_MAX).decode().strip()
    except (OSError, ValueError) as error:
        fail(f"{token_file}: {getattr(error, 'strerror', None) or 'is no token'} (--token-file or GATE106_TOKEN_FILE names it)")


def settings_of(config: Path, language: str = "") -> Settings:
    """A mistake in them ends the command."""
    from proxy.config import SettingsError, load

    try:
        return load(config)
    except SettingsError as error:
        refuse_settings(error, language)


def refuse_settings(error: SettingsError, language: str = "", advice: str = "") -> NoReturn:
    """Every mistake is a line on stderr in this language (else in that of what is printed), the last one with ``advice``; exit 2."""
    from proxy.i18n.catalog import in_language
    from proxy.i18n.phrases import both

    language = language or printed_language()

    for number, problem in enumerate(error.problems, start=1):
        where, _, what = problem.partition(": ")
        said = re.sub(r"^[\w.\[\]]+: ", "", what)  # the setting's name stays as it is
        behind = advice if number == len(error.problems) else ""
        warn(both(f"gate106: {where}: {what.removesuffix(said)}{in_language(said + behind, language)}"))
    raise typer.Exit(2) from None


def load_rules(folder: Path, category_tag: int | None = None) -> RuleSet:
    """The rules of a folder; mistakes in them end the command."""
    from proxy.policy.loading.load_rules import load
    from proxy.policy.loading.problem import RulesError

    try:
        return load(folder, category_tag=category_tag)
    except RulesError as error:
        for problem in error.problems:
            warn(problem)
        fail(f"{folder}: the rules cannot be loaded")


def store_of(settings: Settings) -> Path | None:
    """The file of the gate's store; None where it cannot be read."""
    scheme, _, rest = settings.store.partition(":")
    path = Path(rest.removeprefix("//"))
    return path if scheme == "sqlite" and path.is_file() else None


def socket_of(config: Path, control: Path | None) -> Path:
    """Where the gate takes commands."""
    from proxy.config import SettingsError, control_path

    if control is not None:
        return control
    try:
        return control_path(config)
    except SettingsError as error:
        refuse_settings(error, advice=" (or name the socket: --control)")


def ask(config: Path, control: Path | None, command: str, **args: Any) -> Mapping[str, Any]:
    """One command's answer; arguments that are None are left out. CannotAsk, which ends a command (command_line.py)."""
    from proxy.operations import client

    return client.ask(socket_of(config, control), command, **args)


def collect(config: Path, control: Path | None, command: str, **args: Any) -> dict[str, Any]:
    """An answer of several lines: the last one, and the others under ``lines``."""
    from proxy.operations import client

    with client.Conversation(socket_of(config, control), command, args) as conversation:
        lines = list(conversation.lines())
        return {**conversation.ending, "lines": lines}


def push_rules(config: Path, control: Path | None, on: str, texts: Mapping[str, str], why: str) -> Mapping[str, Any]:
    """Brings rules files to the gate, changed from those of the set ``on``; the event that follows."""
    from proxy.operations import client

    with client.Conversation(socket_of(config, control), "rules.push", {"on": on, "why": why}) as conversation:
        client.push_files(conversation, texts)
        return conversation.answer()


def seconds(text: str | None, flag: str = "--for") -> float | None:
    """``30m`` → 1800."""
    from proxy.policy import time_windows

    if text is None:
        return None
    try:
        return float(time_windows.duration(text))
    except ValueError as error:
        fail(f"{flag}: {error}")


def as_json(told: Any) -> None:
    typer.echo(redact.as_json(told))


def print_line(text: str) -> None:
    """Prints one line, without control characters."""
    typer.echo(printable(in_words_of_reader(text)))


def print_answer(told: Any, json: bool, lines: Iterable[str]) -> None:
    """Prints an answer: as JSON, or in these lines."""
    if json:
        as_json(told)
        return
    for line in lines:
        print_line(line)


def format_time(at: float) -> str:
    """A time in China; a dash for none."""
    from proxy.policy import time_windows

    return time_windows.local(at) if at else "-"


def last_day(until: float) -> str:
    """The last day of a term that ends at ``until``, a midnight: what is due by the end of the 3rd is not due on the 4th."""
    return format_time(until - 1)[:10]


def event_line(event: Mapping[str, Any]) -> Bilingual:
    """What happened with a case or a penalty."""
    from proxy.i18n.catalog import in_language
    from proxy.i18n.labels import EVENTS
    from proxy.i18n.text import Bilingual

    at, what, why = format_time(event["time"]), event["what"], event["why"]
    who = f"  {event['who']}"
    return Bilingual(
        f"  {at}  {what}{who}" + (f": {why}" if why else ""),
        f"  {at}  {EVENTS.get(what, what)}{who}" + (f"：{in_language(why, 'zh')}" if why else ""),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> None:
    """Prints ``table_lines``."""
    for line in table_lines(heads, rows, nothing):
        print_line(line)


def table_lines(heads: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> Iterator[str]:
    """Rows under their heads, columns as wide as needed; ``nothing`` where there are none."""
    from proxy.i18n import columns
    from proxy.i18n.phrases import both

    language = printed_language()
    shown = [columns.head(one, language) for one in heads]
    lines = [
        [printable(columns.cell(head, str(cell), language)) for head, cell in zip(heads, row, strict=True)] for row in rows
    ]
    if not lines:
        yield nothing
        return
    widths = [max(_width(cell) for cell in column) for column in zip(shown, *lines, strict=True)]
    for line in [shown, *lines]:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        yield both("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """On a terminal: Chinese characters are two wide."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
