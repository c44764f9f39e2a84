"""Commands that describe what may be written into settings and rules."""

from __future__ import annotations

import re
from json import dumps
from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import Json, as_json, fail, print_line


@command("schema", example="gate106 schema > gate106-rules.schema.json")
def schema() -> None:
    """Print the JSON Schema (2020-12) of a rules file: editors complete and check by it while one writes."""
    from proxy.policy.loading.schema import schema as rules_schema

    typer.echo(dumps(rules_schema(), ensure_ascii=False, indent=2))


@command("settings", example="gate106 settings carriers")
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
