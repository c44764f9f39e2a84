"""Derives the settings of one worker process from the gate's settings.

``gate106 serve --workers N`` runs a gate as N worker processes. All workers share the SMPP listeners, the store, the rules and the archive's
tables. Each worker is a node of its own: worker 2 of a gate with ``node: 8`` is node 9, its journal is the folder ``node-9`` below the
configured one, its copy of the store is ``state-9.db``. Totals (``links``, ``tps``, ``binds``) are not changed here: the code that divides them
needs the totals.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from proxy.config.mapping_reader import SettingsError
from proxy.config.values import Settings

VARIABLE = "GATE106_WORKER"  # ``2/4``: the process is the second of four workers; ``2``: a command uses that worker's journal
WORKERS_MAX = 64  # more than the cores of usual machines; each worker takes one of the 256 node numbers
NODE_MAX = 255


class Worker(NamedTuple):
    number: int  # from 1
    of: int  # 0: a command that only reads this worker's data

    @property
    def name(self) -> str:
        return f"worker {self.number}"


def worker_of(environment: Mapping[str, str]) -> Worker | None:
    """The worker that the environment names; None if it names none. Raises SettingsError if the value is invalid."""
    value = environment.get(VARIABLE, "")
    if not value:
        return None
    number, _, of = value.partition("/")
    found = Worker(int(number), int(of or 0)) if number.isdecimal() and (of.isdecimal() or "/" not in value) else Worker(0, 0)
    if not 1 <= found.number <= (found.of or WORKERS_MAX) <= WORKERS_MAX:
        raise SettingsError([f"{VARIABLE}={value:.20}: must be a worker's number (1 to {WORKERS_MAX}), or like 2/4"])
    return found


def journal_of(journal: Path, node: int, worker: Worker) -> Path:
    """The folder of a worker's journal; ``node``: the node number in the settings."""
    return journal / f"node-{node + worker.number - 1}"


def journals_of_workers(journal: Path) -> list[tuple[Path, int]]:
    """The journals of all workers, former ones included, with their node numbers in order; empty for a gate without workers."""
    found = journal.glob("node-*") if journal.is_dir() else ()
    numbered = ((one, one.name.removeprefix("node-")) for one in found)
    return sorted(((one, int(number)) for one, number in numbered if number.isdecimal()), key=lambda one: one[1])


def several_journals_fault(path: Path, journal: Path) -> str:
    """The fault for a command that needs one journal if the gate with the settings at ``path`` has several; empty if it has one."""
    names = ", ".join(folder.name for folder, _ in journals_of_workers(journal))
    if not names:
        return ""
    return f"{path}: each worker of this gate has a journal of its own ({names}): say whose you mean (gate106 --worker 1 …)"


def local_of(local: Path, node: int) -> Path:
    """The file of a worker's copy of the store."""
    return local.with_name(f"{local.stem}-{node}{local.suffix}")


def revisions_of(folder: Path, worker: Worker) -> Path:
    """The folder of a worker's kept rule sets."""
    return folder / f"worker-{worker.number}"


def control_of(control: Path, worker: Worker) -> Path:
    """The control socket of one worker: beside the gate's socket."""
    return control.with_name(f"{control.stem}-{worker.number}{control.suffix}")


def worker_faults(settings: Settings, workers: int) -> list[str]:
    """Why these settings do not allow so many workers; empty if they do."""
    found = []
    scheme = settings.store.partition(":")[0]
    if scheme == "sqlite":
        found.append(
            f"store: {settings.store} is the embedded store, which serves one process: {workers} workers need one that they share "
            "(valkey://host:6379/0); without --workers this one will do"
        )
    if settings.node + workers - 1 > NODE_MAX:
        found.append(
            f"node: {workers} workers are nodes {settings.node} to {settings.node + workers - 1}: the last may be {NODE_MAX}"
        )
    accounts = [(f"carriers: {one.name}", one.links) for one in settings.carriers]
    accounts += [(f"providers: {one.name}: upstream", one.upstream.links) for one in settings.providers if one.upstream]
    return found + [
        f"{account}: links: {links} cannot be divided among {workers} workers" for account, links in accounts if links < workers
    ]


def every_worker(settings: Settings) -> list[Settings]:
    """The settings of each worker that has a journal; the given settings for a gate without workers, or for one worker."""
    numbers = [node - settings.node + 1 for _, node in journals_of_workers(settings.journal)]
    return [of_worker(settings, Worker(number, 0)) for number in numbers if 1 <= number <= WORKERS_MAX] or [settings]


def of_worker(settings: Settings, worker: Worker) -> Settings:
    """The settings of one worker; ``worker_faults`` must have found no fault."""
    revisions, shared, node = settings.revisions, settings.shared, settings.node + worker.number - 1
    return replace(
        settings,
        node=node,
        journal=journal_of(settings.journal, settings.node, worker),
        control=control_of(settings.control, worker),
        shared=replace(shared, local=local_of(shared.local, node)) if shared else None,
        revisions=replace(revisions, folder=revisions_of(revisions.folder, worker)),
    )
