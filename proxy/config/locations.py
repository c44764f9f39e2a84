"""Reads paths and names from a settings file, without its passwords.

Commands and other processes use it: they need the control socket, the storage paths, the archive, the files of secrets or the
providers' names, but no password.

In: the file's path. Out: those values, or a SettingsError. Never: other keys.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from proxy.config.fields import Address
from proxy.config.reader import (
    archive_of,
    console_of,
    open_settings,
    revisions_of,
    sealing_of,
    settings_error,
    socket_of,
    state_folder,
)
from proxy.config.values import Archive, Console, Sealing, SettingsError, StoragePaths
from proxy.config.worker import control_of, fault_of_several, journal_of, journals_of_workers, worker_of
from proxy.config.yaml_file import Value

SECRETS = ("password", "token", "secret")
"""Keys whose value is a secret, …"""
NOT_IN_CLEAR = ("scrypt$", "sha256$", "${")
"""… unless it begins so."""


def control_path(path: Path | str) -> Path:
    """Where the gate of these settings takes commands. Reads no other key: whoever commands a gate need not know its passwords."""
    path = Path(path)
    _, top, faults = open_settings(path)
    control = socket_of(top, top.text("store", maximum=4096), top.path("journal", "journal"))
    if faults:
        raise settings_error(path, faults)
    worker = worker_of(os.environ)
    return control_of(control, worker) if worker is not None else control


def state_places(path: Path | str) -> StoragePaths:
    """Where these settings have the gate keep what it must not forget. Reads no other key. SettingsError."""
    path = Path(path)
    _, top, faults = open_settings(path)
    store, journal = top.text("store", maximum=4096), top.path("journal", "journal")
    for key in ("store", "journal"):
        top.need(key)
    scheme, _, rest = store.partition("://")
    if store and (scheme != "sqlite" or not rest):
        top.fault(("store",), "is no file to be copied: only the embedded store (sqlite:///…) is")
    home = state_folder(store, journal)
    revisions, sealing = revisions_of(top.below("revisions"), home), sealing_of(top.below("sealing"))
    archive = archive_of(top.below("archive"), home)
    if faults:
        raise settings_error(path, faults)
    return StoragePaths(Path(rest), journal, revisions.folder, sealing, archive.keys)


def rules_folder(path: Path | str) -> Path:
    """Where the rules of these settings stand. Reads no other key. SettingsError where that is no YAML."""
    return open_settings(Path(path))[1].path("rules", "rules")


def provider_names(path: Path | str) -> list[str]:
    """What these settings call the providers. SettingsError where that is no YAML."""
    rows = open_settings(Path(path))[0].value
    rows = rows.get("providers") if isinstance(rows, dict) else None
    return [str(one["name"]) for one in rows or () if isinstance(one, dict) and "name" in one] if isinstance(rows, list) else []


def secret_files(path: Path | str) -> list[Path]:
    """The files in which secrets of these settings stand: those of ``file:/path``, and the settings themselves where one stands there in
    clear. SettingsError where that is no YAML."""
    path = Path(path)
    document, top, _ = open_settings(path)
    waiting: list[tuple[str, Value]] = [("", document.value)]
    found = set()
    while waiting:
        key, one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.items())
        elif isinstance(one, list):
            waiting.extend((key, below) for below in one)
        elif isinstance(one, str) and key in SECRETS:
            if one.startswith("file:"):
                found.add(top.document_path(one.removeprefix("file:")))
            elif not one.startswith(NOT_IN_CLEAR):
                found.add(path)
    return sorted(found)


class ConsolePlaces(NamedTuple):
    """What the console needs to know."""

    console: Console
    control: Path
    http: Address
    """Where the gate answers over HTTP: providers ask there for what is their own."""


def console_places(path: Path | str) -> ConsolePlaces:
    """Reads no other key: the console need not know the gate's passwords. SettingsError."""
    path = Path(path)
    _, top, faults = open_settings(path)
    control = socket_of(top, top.text("store", maximum=4096), top.path("journal", "journal"))
    found = ConsolePlaces(
        console_of(top.below("console")), control, top.below("http").address("listen", Address("127.0.0.1", 9106))
    )
    if faults:
        raise settings_error(path, faults)
    return found


class RestPlaces(NamedTuple):
    """Where the journal is, and the journal at rest."""

    journal: Path
    archive: Archive
    control: Path
    node: int
    sealing: Sealing
    others: tuple[tuple[Path, int], ...] = ()
    """Journals of the gate's further workers, with their nodes."""

    @property
    def journals(self) -> tuple[tuple[Path, int], ...]:
        """All that were asked for and are there, with their nodes."""
        return tuple(one for one in ((self.journal, self.node), *self.others) if one[0].is_dir())


def rest_places(path: Path | str, *, every: bool = False) -> RestPlaces:
    """Reads no other key: whoever searches need not know the gate's passwords. Of a gate of several workers: those of the one that the
    environment names; where it names none, of ``every`` one. SettingsError."""
    path = Path(path)
    _, top, faults = open_settings(path)
    store, journal = top.text("store", maximum=4096), top.path("journal", "journal")
    for key in ("store", "journal"):
        top.need(key)
    found = RestPlaces(
        journal, archive_of(top.below("archive"), state_folder(store, journal)), socket_of(top, store, journal),
        top.integer("node", 0, minimum=0, maximum=255), sealing_of(top.below("sealing")),
    )  # fmt: skip
    if faults:
        raise settings_error(path, faults)
    worker = worker_of(os.environ)
    if worker is None:
        return _of_every_worker(found) if every else _of_the_only_one(path, found)
    own = journal_of(found.journal, found.node, worker)
    return found._replace(journal=own, control=control_of(found.control, worker), node=found.node + worker.number - 1)


def _of_the_only_one(path: Path, places: RestPlaces) -> RestPlaces:
    """Raises SettingsError where the gate's workers have one each, and nobody says whose is meant."""
    if fault := fault_of_several(path, places.journal):
        raise SettingsError([fault])
    return places


def _of_every_worker(places: RestPlaces) -> RestPlaces:
    first, *others = journals_of_workers(places.journal) or [(places.journal, places.node)]
    return places._replace(journal=first[0], node=first[1], others=tuple(others))
