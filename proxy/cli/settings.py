"""Commands that describe what stands in settings and rules, or make it."""

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from proxy.i18n.phrases import both
from proxy.operations.declaration import command
from proxy.operations.terminal import Json, as_json, fail, print_line, printed_language

CHINESE = Path(__file__).parents[1] / "i18n" / "settings.yaml"
BOUNDS = re.compile(r"([\d,.]+) to ([\d,.]+)(| s| hours| days| MB)")
UNITS: Mapping[str, str] = {"": "", " s": " 秒", " hours": " 小时", " days": " 天", " MB": " MB"}


@command("rules show-schema", example="gate106 rules show-schema > gate106-rules.schema.json")
def schema() -> None:
    """Print the JSON Schema (2020-12) of a rules file: editors complete and check by it while one writes."""
    from proxy.policy.loading.schema import schema as rules_schema

    typer.echo(dumps(rules_schema(), ensure_ascii=False, indent=2))


@command("settings show", example="gate106 settings show carriers")
def settings(
    prefix: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Only those whose name begins so: carriers, optout.confirm …")
    ] = "",
    json: Json = False,
) -> None:
    """Tell what may stand in gate106.yaml: every setting, its default, its bounds, and whether a reload takes it over."""
    from proxy.config import descriptions

    found = descriptions.with_prefix(prefix, descriptions.settings())
    if not found:
        fail(f"no setting begins with {prefix!r} (`gate106 settings show` lists all)")
    if json:
        as_json([one._asdict() | {"allowed": _plain(one.allowed), "meaning": _plain(one.meaning)} for one in found])
        return
    say = _in_chinese if printed_language() == "zh" else _plain
    for one in found:
        default = say(one.default or "none") if one.worded or not one.default else one.default
        holds = "required" if one.required else f"default {default}"
        print_line(
            f"{one.name}: {holds}; {say(one.allowed)}; {'a reload takes it over' if one.reloaded else 'needs a restart'}"
        )
        print_line(both(f"    {say(one.meaning)}"))


@cache
def _chinese() -> dict[str, str]:
    from proxy.i18n.catalog import read

    return read(CHINESE)


def _in_chinese(markdown: str) -> str:
    """A meaning, allowed values or a default; a number's bounds with their unit. Unchanged where it is none of these: words of the file."""
    text = _plain(markdown)
    if (bounds := BOUNDS.fullmatch(text)) is not None:
        return f"{bounds[1]} 到 {bounds[2]}{UNITS[bounds[3]]}"
    return _chinese().get(text, text)


def _plain(markdown: str) -> str:
    """Without backticks, and links by their words."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


@command("password hash", example="gate106 password hash < password.txt")
def hash_password() -> None:
    """Read a password from standard input (from a terminal unseen, and twice), print what to write into the settings instead of it."""
    from proxy.net.authenticator import hash_password as hashed

    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        fail("no password on standard input")
    typer.echo(hashed(password))


@command("token make", example="gate106 token make prometheus.token")
def token(file: Annotated[Path, typer.Argument(help="The file the token is written to; it must not be there yet.")]) -> None:
    """Make a token for a program that reads over HTTP: write it to a file that only its owner may read, print its hash for the settings."""
    from proxy.operations.http_auth import hash_token, new_token

    made = new_token()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{made}\n")
    print_line(hash_token(made))
