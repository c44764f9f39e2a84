"""The command line of gate106.

In: a command line. Out: text, JSON, an exit code. Never: logic of its own: each command calls one function of a room. Each command has
``--help`` with an example; an error is one clear line on stderr and exit 2, never a traceback. Commands of the desk's features are declared
in ``desk/*/``, others in cli/.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy import cli
from proxy.cli.old_spellings import in_new_spelling
from proxy.desk.api.declarations import declared_by, declared_in, folders
from proxy.operations.command_line import Group, add_commands
from proxy.operations.terminal import LANG, checked_language, languages, printed_language, use_language, use_token_file
from proxy.runtime import hardening
from proxy.runtime.build_info import build_info
from proxy.runtime.extras import extra_of, lacking

FEATURES: Mapping[str, Sequence[str]] = {
    "backtest": ("backtest",),
    "backup": (),
    "follower": (),
    "bench": (),
    "binds": ("connections", "operator_orders"),
    "check": ("revisions",),
    "complaint": ("complaints",),
    "consent": ("consents",),
    "console": (),
    "demo": (),
    "evidence": ("evidence",),
    "explain": ("explain",),
    "filing": ("filings",),
    "find": ("search",),
    "journal": ("archiving",),
    "lexicon": ("lexicon",),
    "links": ("connections",),
    "optout": ("optouts", "reply_paths"),
    "password": (),
    "penalty": ("penalties",),
    "precheck": ("precheck",),
    "provider": ("providers",),
    "recycled": ("data_subjects",),
    "regions": ("regions",),
    "report": ("reports",),
    "rules": ("revisions",),
    "serve": (),
    "settings": (),
    "shadow": ("operator_orders",),
    "sim": (),
    "stop": ("operator_orders",),
    "subject": ("data_subjects",),
    "suppress": ("suppression",),
    "today": ("today",),
    "token": (),
    "trace": ("connections",),
}
"""The features in which the commands that begin with a word are declared, so that a command imports no other; none: cli/."""
HELPS = {
    "backup": "Copies of state, journal and kept sets of rules.",
    "follower": "The journal on a second machine.",
    "console": "The console, which officers use in a browser.",
    "evidence": "Evidence packs: made, and checked without the gate.",
    "lexicon": "The words by which the gate tells advertising: proposed from the journal, decided, measured.",
    "password": "Passwords for the settings.",
    "provider": "A provider's own messages, as it may see them.",
    "settings": "What may stand in gate106.yaml.",
    "sim": "Simulators: a carrier, a provider.",
    "token": "Tokens of people and programs.",
}
"""Of groups that no class of operations describes."""


SECTIONS = {
    "The gate": ("serve", "demo", "bench", "console", "sim", "backup", "follower"),
    "Settings and rules": (
        "check", "settings", "rules", "regions", "lexicon", "filing", "explain", "precheck", "backtest", "password", "token",
    ),
    "A running gate": ("binds", "links", "stop", "shadow", "trace"),
    "People": ("suppress", "optout", "consent", "subject", "recycled"),
    "The desk": ("today", "find", "complaint", "penalty", "provider", "evidence", "report"),
    "The journal": ("journal",),
}  # fmt: skip
"""Commands by what they are about, as ``--help`` lists them."""


class Grouped(Group):
    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override] # of click's own classes
        left = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name)) is not None}
        for section, names in {**SECTIONS, "Other": tuple(left)}.items():
            if here := {name: left.pop(name) for name in names if name in left}:
                self.write_commands(formatter, section, here)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(str(build_info()))
        raise typer.Exit


def top(
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", envvar="GATE106_TOKEN_FILE", help="Your token, in a file that nobody else may read."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="[zh|en]",
            envvar=LANG,
            autocompletion=languages,
            help="The language of what is printed, also behind a command. Default: of the locale.",
        ),
    ] = None,
    worker: Annotated[
        int | None,
        typer.Option("--worker", min=1, max=64, help="Of a gate of several workers: look at this one's journal, ask this one."),
    ] = None,
    version: Annotated[  # click calls _version
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which build this is, and whether it is compiled."
        ),
    ] = False,
) -> None:
    """The carrier's gate for 106 bulk SMS: an SMPP 3.4 proxy that decides every message by rules kept in files.

    Where the settings list people, GATE106_TOKEN_FILE in the environment says whose commands these are.
    """
    if token_file is not None:
        use_token_file(token_file)
    if language is not None:
        os.environ[LANG] = checked_language(language)
    if worker is not None:
        os.environ["GATE106_WORKER"] = str(worker)


@cache
def application(features: tuple[str, ...] | None = None) -> typer.Typer:
    """All commands, made of their declarations. ``features``: only those of these features and of cli/."""
    app = typer.Typer(
        name="gate106", cls=Grouped, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    app.callback()(top)
    add_commands(app, [*declared_by(cli), *declared_in(folders() if features is None else features)], HELPS)
    return app


@cache
def whole(features: tuple[str, ...] | None = None) -> Callable[[], object]:
    """The same, ready to run: console/fork_server.py makes it before it copies the process."""
    return typer.main.get_command(application(features))


def _behind_options(words: Sequence[str]) -> int:
    """Where the command's first word stands: behind the options before it."""
    rest = iter(enumerate(words))
    for place, word in rest:
        if not word.startswith("-"):
            return place
        if word in ("--token-file", "--worker", "--lang"):
            next(rest, None)
    return len(words)


def _prints_chinese(words: Sequence[str]) -> bool:
    """Whether ``--lang``, wherever it stands, or the environment asks for Chinese: help and usage errors come before an option is read."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        flag, equals, value = word.partition("=")
        if flag == "--lang" and (said := value if equals else following) in languages():
            use_language(said)
    return printed_language() == "zh"


def main() -> None:
    """The entry point: click's usage errors exit 2 as they are; what nobody foresaw is one line, too."""
    hardening.restrict_umask()
    first = 1 + _behind_options(sys.argv[1:])
    sys.argv[first:] = in_new_spelling(sys.argv[first:])
    features = FEATURES.get(sys.argv[first]) if sys.argv[first:] else None
    command: Any = whole(tuple(features) if features is not None else None)
    if _prints_chinese(sys.argv[1:]):
        from proxy.cli.chinese_help import use_chinese  # noqa: PLC0415 # only where it is asked for

        command = use_chinese(command)
    try:
        command()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ModuleNotFoundError as error:
        if not (extra := extra_of(error.name or "")):
            raise
        typer.echo(f"gate106: this command needs more: {lacking(extra)}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
