"""Commands of the journal's follower: the receiving side, and copying to it."""

import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config, Json, as_json, fail, print_line, refuse_settings

_SERVED = "gate106 follower serve /backup/gate --listen 10.0.0.2:3551 --cert follower.pem --key follower.key --client-ca ca.pem"


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
