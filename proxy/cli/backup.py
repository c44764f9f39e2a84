"""Commands that copy and restore state, journal and kept rule sets.

The noun is ``backup``; server/backup.py does the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config, Json, as_json, format_time, note, print_line, refuse_settings

Copy = Annotated[Path, typer.Argument(help="A copy that `gate106 backup make` made.")]
_WITHOUT_KEYS = "without them people who asked to be forgotten are not known again, and get marketing"

if TYPE_CHECKING:
    from proxy.config import StoragePaths
    from proxy.journal.erasure import Erasure
    from proxy.server.backup import Copied


@command("backup make", example="gate106 backup make /backup/20261125 --config /etc/gate106/gate106.yaml")
def make(
    copy: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    update: Annotated[
        bool, typer.Option("--update", help="Bring the journal and the kept sets of an existing copy up to now.")
    ] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Copy state, journal and kept sets of rules, while the gate runs or not, and prove the copy."""
    from proxy.server import backup

    places = _places(config)
    found = backup.update(places, copy) if update else backup.make(places, copy)
    _tell(found, copy, json)
    if places.keys is not None and places.keys.exists():
        note(f"not in the copy: the keys in {places.keys} (archive.keys); keep them elsewhere: {_WITHOUT_KEYS}")


@command("backup restore", example="gate106 backup restore /backup/20261125 --config /etc/gate106/gate106.yaml")
def restore(
    copy: Copy,
    only_check: Annotated[bool, typer.Option("--check", hidden=True)] = False,  # of the old spelling `restore`
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Prove a copy, and put it where the settings say; nothing may be there. Start the gate afterwards."""
    from proxy.cluster.follower_protocol import workers_of
    from proxy.config import SettingsError, paths_of_nodes
    from proxy.server import backup

    if only_check:
        check(copy, json)
        return
    lacking: list[Erasure] = []
    try:
        nodes = paths_of_nodes(config, lambda gate: workers_of(copy, gate.node or 0))
        restored = backup.restore(copy, *nodes, tell=lacking.append)
    except SettingsError as error:
        refuse_settings(error)
    for one, found in restored:
        _tell(found, one, json)
    for erasure in lacking:
        note(
            f"{erasure.person:016x} was erased on {format_time(erasure.time)} ({erasure.why}), and the follower did not have that yet: "
            "when the gate runs, erase this person again (gate106 journal erase; the keyed hash is what gate106 journal hash-number says)"
        )
    if (keys := nodes[0].keys) is not None and not keys.exists():
        note(f"{keys}: is not there (archive.keys); if the gate had keys, bring them back before it starts: {_WITHOUT_KEYS}")


@command("backup check", example="gate106 backup check /backup/20261125")
def check(copy: Copy, json: Json = False) -> None:
    """Prove that a copy is whole; neither settings nor a gate are needed."""
    from proxy.server import backup

    found = backup.check(copy)
    _tell(found, copy, json)


def _places(config: Path) -> StoragePaths:
    from proxy.config import SettingsError, storage_paths

    try:
        return storage_paths(config)
    except SettingsError as error:
        refuse_settings(error)


def _tell(found: Copied, copy: Path, json: bool) -> None:
    if json:
        as_json(found._asdict())
        return
    print_line(
        f"{copy}: as of {format_time(found.time)}; journal records {found.first} to {found.last} in {found.segments} segments, "
        f"{found.bytes:,} bytes"
    )
    for hole in found.holes:
        print_line(
            f"records {hole['first']} to {hole['last']} were removed by the gate before they were copied: {hole['removed']}"
        )
    print_line(f"the chain holds; a start replays what is behind record {found.counted}")
