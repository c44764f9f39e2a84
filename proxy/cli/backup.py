"""Commands that copy and restore state, journal and kept rule sets.

``backup`` copies at once, ``follower`` all the time.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config, Json, as_json, fail, format_time, note, print_line, refuse_settings

Copy = Annotated[Path, typer.Argument(help="A copy that `gate106 backup make` made.")]
_SERVED = "gate106 follower serve /backup/gate --listen 10.0.0.2:3551 --cert follower.pem --key follower.key --client-ca ca.pem"
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


@command("follower serve", example=_SERVED)
def serve(
    copy: Annotated[Path, typer.Argument(help="The folder for the copies; `gate106 backup restore` makes nodes of them.")],
    listen: Annotated[str, typer.Option(help="Where the gate connects (its setting follower.address).")] = "127.0.0.1:3551",
    cert: Annotated[Path | None, typer.Option(help="File of this machine's certificate, in PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="File of its key, without a password.")] = None,
    client_ca: Annotated[Path | None, typer.Option(help="File of the certificates that sign the gate's.")] = None,
) -> None:
    """Follow gates: take their journals, states and tables into a folder on this machine, until SIGTERM."""
    from proxy.cluster.follower import FollowerFolder, FollowerServer
    from proxy.config import is_loopback
    from proxy.model import log_setup
    from proxy.net.tls import for_listener
    from proxy.runtime import hardening

    log_setup.configure_logging()
    hardening.restrict_umask()
    hardening.forbid_core_dumps()
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        fail(f"--listen must be host:port (10.0.0.2:3551), not {listen}")
    context = None
    if cert is not None and key is not None and client_ca is not None:
        context = for_listener("--cert, --key, --client-ca", cert, key, client_ca)
    elif cert or key or client_ca or not is_loopback(host):
        fail("--cert, --key and --client-ca are needed: a journal does not travel in clear")
    folder = FollowerFolder(copy)
    listener = socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    print_line(f"{copy}: follows at {host}:{listener.getsockname()[1]}")
    FollowerServer(folder, context).serve(listener)


@command("follower update", example="gate106 follower update --config /etc/gate106/gate106.yaml")
def update(
    tied: Annotated[
        bool, typer.Option("--tied", help="Again and again, until standard input ends: so the gate starts it.")
    ] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Copy state, rule sets, tables and erased segments to the follower now. A running gate does it every `follower.files_s`."""
    from proxy.cluster.follower_protocol import FollowerFault
    from proxy.config import SettingsError, follower_settings, journals_of_workers, paths_of_nodes
    from proxy.net.tls import TlsError, for_follower
    from proxy.server.backup import BackupError
    from proxy.server.follower_files import FollowerFiles, Updated, connect

    try:
        nodes = paths_of_nodes(config, lambda gate: (node for _, node in journals_of_workers(gate.journal)))
        follower = follower_settings(config)
    except SettingsError as error:
        refuse_settings(error)
    if follower is None:
        fail(f"{config}: follower is missing: it says where the follower is")
    while True:
        begun, found = time.time(), Updated(0, 0, 0)
        try:
            for places in nodes:
                with connect(follower, for_follower(follower)) as connection:
                    found = Updated(*map(sum, zip(found, FollowerFiles(connection, places).update(), strict=True)))
        except (FollowerFault, BackupError, TlsError, OSError) as error:
            fail(f"follower at {follower.address.host}:{follower.address.port}: {error}")
        if tied:
            sys.stdout.write(f'{{"begun": {begun}}}\n')
            sys.stdout.flush()
        elif json:
            as_json(found._asdict())
        else:
            print_line(f"{found.copied} files copied, {found.bytes:,} bytes; {found.removed} removed")
        if not tied or (select.select([0], [], [], follower.files_s)[0] and not os.read(0, 1)):
            return
