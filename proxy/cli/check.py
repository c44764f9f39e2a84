"""Commands about rules and settings files: ``check``, ``schema``, ``settings``.

They ask no gate.
"""

from __future__ import annotations

import re
import time
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from proxy.operations.terminal import Json, as_json, choose_language, fail, print_line, settings_of, warn


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: gate106 check rules/")(check)
    app.command(epilog="Example: gate106 schema > gate106-rules.schema.json")(schema)
    app.command(epilog="Example: gate106 settings carriers")(settings)


def check(
    rules: Annotated[
        Path | None, typer.Argument(help="The folder with rules; default rules/, or what the settings say.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Compare with these settings, too.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="zh or en: what is wrong, in Chinese or English.")] = "en",
    json: Json = False,
) -> None:
    """Lint rules, compare registries and run tests; every problem as file:line. Exit 1 if there is any; warnings do not count."""
    from proxy import policy
    from proxy.i18n.catalog import in_language

    found = settings_of(config)
    rules = rules or (found.rules if found else Path("rules"))
    if not rules.is_dir():
        fail(f"{rules}: no such folder (name the folder that holds your rules)")
    language = choose_language(lang)
    report = policy.check(rules, found.providers if found else None, time.time())
    if json:
        as_json(report.as_dict())
        raise typer.Exit(1 if report.problems else 0)
    for problem in report.problems:
        warn(f"{problem.file}:{problem.line}: {in_language(problem.text, language)}")
    for doubt in report.warnings:
        warn(f"{doubt.file}:{doubt.line}: {in_language(f'warning: {doubt.text}', language)}")
    beside = f", {len(report.warnings)} warnings" if report.warnings else ""
    if report.unknown_region:
        print_line(in_language(f"the region of {100 * report.unknown_region:.1f} % of numbers in use is unknown", language))
    counted = f"{report.rules} rules, {report.tests} tests, {len(report.problems)} problems{beside}"
    print_line(f"{rules}: {in_language(counted, language)}")
    raise typer.Exit(1 if report.problems else 0)


def schema() -> None:
    """Print the JSON Schema (2020-12) of a rules file: editors complete and check by it while one writes."""
    from proxy import policy

    typer.echo(dumps(policy.schema(), ensure_ascii=False, indent=2))


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
        fail(f"no setting begins with {prefix!r} (`gate106 settings` lists all)")
    if json:
        as_json([one._asdict() | {"allowed": _plain(one.allowed), "meaning": _plain(one.meaning)} for one in found])
        return
    for one in found:
        holds = "required" if one.required else f"default {one.default or 'none'}"
        print_line(
            f"{one.name}: {holds}; {_plain(one.allowed)}; {'a reload takes it over' if one.reloaded else 'needs a restart'}"
        )
        print_line(f"    {_plain(one.meaning)}")


def _plain(markdown: str) -> str:
    """Without backticks, and links by their words."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")
