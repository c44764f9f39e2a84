"""Reads paths and names from a settings file, without its passwords.

Commands and other processes use it: they need the control socket, the storage paths, the archive, the files of secrets or the providers' names,
but no password. Other keys are not read.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from proxy.config.mapping_reader import Address, Fields, SettingsError
from proxy.config.reader import embedded_file, open_settings
from proxy.config.setting_kinds import read_settings, setting
from proxy.config.values import (
    Archive,
    Console,
    Follower,
    Http,
    Log,
    RuleRevisions,
    Sealing,
    Settings,
    SharedStore,
    StoragePaths,
    Stream,
)
from proxy.config.worker import (
    Worker,
    control_of,
    journal_of,
    journals_of_workers,
    local_of,
    revisions_of,
    several_journals_fault,
    worker_of,
)
from proxy.config.yaml_file import Value

SECRETS = ("password", "token", "secret")  # keys whose value is a secret in clear, …
NOT_IN_CLEAR = ("scrypt$", "sha256$", "${")  # … unless the value begins with one of these: a hash, or an environment variable


def control_path(path: Path | str) -> Path:
    """The path of the control socket. Reads no other key: a command needs no passwords of the gate. Raises SettingsError."""
    file, top = open_settings(Path(path))
    control: Path = setting(Settings, "control", top)
    file.raise_faults()
    worker = worker_of(os.environ)
    return control_of(control, worker) if worker is not None else control


def storage_paths(settings: Path | str) -> StoragePaths:
    """The paths of the gate's durable data. Reads no other key. Raises SettingsError."""
    file, top = open_settings(Path(settings))
    journal, store = _journal(top), setting(Settings, "store", top)
    path = embedded_file(store)
    if store and path is None:
        top.fault(("store",), "is no file to be copied: only the embedded store (sqlite:///…) is")
    revisions = read_settings(RuleRevisions, top.below("revisions"))
    sealing, archive = read_settings(Sealing, top.below("sealing")), read_settings(Archive, top.below("archive"))
    file.raise_faults()
    assert path is not None, "else there was a fault"
    return StoragePaths(path, journal, revisions.folder, sealing, archive.keys, archive.folder)


def paths_of_nodes(settings: Path | str, workers: Callable[[StoragePaths], Iterable[int]]) -> list[StoragePaths]:
    """The paths of each node of the gate that a follower has: of the worker that the environment names, of all ``workers`` (their nodes, by
    the paths of the gate), or of the gate where there are none. Raises SettingsError."""
    file, top = open_settings(Path(settings))
    if embedded_file(setting(Settings, "store", top)) is not None:
        return [storage_paths(settings)]
    journal, node = _journal(top), setting(Settings, "node", top)
    local: Path = setting(SharedStore, "local", top.below("shared"))
    revisions = read_settings(RuleRevisions, top.below("revisions")).folder
    sealing, archive = read_settings(Sealing, top.below("sealing")), read_settings(Archive, top.below("archive"))
    file.raise_faults()
    gate = StoragePaths(local, journal, revisions, sealing, archive.keys, archive.folder, node)
    named = worker_of(os.environ)
    return [
        gate._replace(
            store=local_of(local, node + worker.number - 1), journal=journal_of(journal, node, worker),
            revisions=revisions_of(revisions, worker), node=node + worker.number - 1, gate=node,
        )
        for worker in ([named] if named is not None else [Worker(one - node + 1, 0) for one in workers(gate) if one >= node])
    ] or [gate]  # fmt: skip


def follower_settings(settings: Path | str) -> Follower | None:
    """The settings of the journal's follower. Reads no other key. Raises SettingsError."""
    file, top = open_settings(Path(settings))
    found: Follower | None = setting(Settings, "follower", top)
    file.raise_faults()
    return found


def _journal(top: Fields) -> Path:
    for key in ("store", "journal"):
        top.need(key)
    journal: Path = setting(Settings, "journal", top)
    return journal


def rules_folder(path: Path | str) -> Path:
    """The folder of the rules. Reads no other key. Raises SettingsError if the file is not YAML."""
    rules: Path = setting(Settings, "rules", open_settings(Path(path))[1])
    return rules


def provider_names(path: Path | str) -> list[str]:
    """The names of the providers. Raises SettingsError if the file is not YAML."""
    rows = open_settings(Path(path))[0].document.value
    rows = rows.get("providers") if isinstance(rows, dict) else None
    return [str(one["name"]) for one in rows or () if isinstance(one, dict) and "name" in one] if isinstance(rows, list) else []


def secret_files(path: Path | str) -> list[Path]:
    """The files that hold secrets of these settings: those of ``file:/path``, and the settings file itself if it has a secret in clear. Raises
    SettingsError if the file is not YAML."""
    path = Path(path)
    file, top = open_settings(path)
    waiting: list[tuple[str, Value]] = [("", file.document.value)]
    found = set()
    while waiting:
        key, one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.items())
        elif isinstance(one, list):
            waiting.extend((key, below) for below in one)
        elif isinstance(one, str) and key in SECRETS:
            if one.startswith("file:"):
                found.add(top.path(one.removeprefix("file:")))
            elif not one.startswith(NOT_IN_CLEAR):
                found.add(path)
    return sorted(found)


class ConsoleLocations(NamedTuple):
    console: Console
    control: Path
    http: Address  # the gate's HTTP listener: providers request their own data there
    log: Log


def console_locations(path: Path | str) -> ConsoleLocations:
    """Reads the console's settings and no other key: the console needs no passwords of the gate. Raises SettingsError."""
    file, top = open_settings(Path(path))
    found = ConsoleLocations(
        read_settings(Console, top.below("console")),
        setting(Settings, "control", top),
        setting(Http, "listen", top.below("http")),
        read_settings(Log, top.below("log")),
    )
    file.raise_faults()
    return found


def stream_settings(path: Path | str) -> Stream | None:
    """The settings of the event stream and no other key; None where there is none. Raises SettingsError."""
    file, top = open_settings(Path(path))
    stream: Stream | None = setting(Settings, "stream", top)
    file.raise_faults()
    return stream


class ArchiveLocations(NamedTuple):
    journal: Path
    archive: Archive
    control: Path
    node: int
    sealing: Sealing
    others: tuple[tuple[Path, int], ...] = ()  # journals of the gate's other workers, with their node numbers

    @property
    def journals(self) -> tuple[tuple[Path, int], ...]:
        """All requested journals that exist, with their node numbers."""
        return tuple(one for one in ((self.journal, self.node), *self.others) if one[0].is_dir())


def archive_locations(path: Path | str, *, every: bool = False) -> ArchiveLocations:
    """Reads these paths and no other key: a search needs no passwords of the gate. Of a gate with several workers: the paths of the worker that
    the environment names; if it names none and ``every`` is set, those of all workers. Raises SettingsError."""
    path = Path(path)
    file, top = open_settings(path)
    found = ArchiveLocations(
        _journal(top),
        read_settings(Archive, top.below("archive")),
        setting(Settings, "control", top),
        setting(Settings, "node", top),
        read_settings(Sealing, top.below("sealing")),
    )
    file.raise_faults()
    if (worker := worker_of(os.environ)) is not None:
        own = journal_of(found.journal, found.node, worker)
        return found._replace(journal=own, control=control_of(found.control, worker), node=found.node + worker.number - 1)
    if every:
        first, *others = journals_of_workers(found.journal) or [(found.journal, found.node)]
        return found._replace(journal=first[0], node=first[1], others=tuple(others))
    if fault := several_journals_fault(path, found.journal):
        raise SettingsError([fault])
    return found
