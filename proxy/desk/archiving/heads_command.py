"""Implements ``gate106 journal heads``, which lists the signed heads of days."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.operations.terminal import CONFIG, Config, Json, fail, table, tell

DAYS_MAX = 366


def heads(
    days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="So many of each node.")] = 31,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List the signed heads of days, the newest first: whoever kept one can prove all that lies before it."""
    from proxy.archive.signed_heads import latest
    from proxy.config import SettingsError, rest_places

    try:
        found = latest(rest_places(config, every=True).archive.folder, days)
    except SettingsError as error:
        fail(error)
    except (OSError, ValueError) as error:
        fail(f"a head cannot be read ({error}): gate106 journal verify tells which")
    if json:
        tell({"heads": [{"day": one.day, "node": one.node, "last": one.last, "digest": one.digest} for one in found]}, True, ())
        return
    table(
        ("day", "node", "records up to", "digest"),
        ((one.day, one.node, one.last, one.digest) for one in found),
        "no day has a signed head yet (the day after, once it is rolled)",
    )
