"""Reads ``gate106.yaml`` into frozen, checked settings.

In: the file's path, the environment, files of secrets. Out: ``Settings``, complete and checked, or a ``SettingsError`` with every
fault. Never: a password in a repr or an error, an unknown key that is ignored, a setting that is read but has no effect.

    values.py, peers.py   every setting, declared      reader.py        reads the whole file
    setting_kinds.py      how each kind is read        cross_checks.py  checks that involve several rows
    mapping_reader.py     one mapping, key by key      locations.py     what other processes may read of the file
    descriptions.py       the settings, for people     worker.py        the settings of one worker
    yaml_file.py          YAML as plain values with lines

    SettingsError    str() = "gate106.yaml:14: carriers[0]: unknown key 'windw' (did you mean 'window'?)"
"""

from proxy.config.cross_checks import UNOWNED, UPSTREAMS_MAX
from proxy.config.locations import (
    ArchiveLocations,
    ConsoleLocations,
    archive_locations,
    console_locations,
    control_path,
    provider_names,
    rules_folder,
    secret_files,
    storage_paths,
)
from proxy.config.mapping_reader import SettingsError
from proxy.config.peers import (
    CARRIERS_MAX,
    PORTS_MAX,
    PROVIDERS_MAX,
    PROVINCES,
    TPS_MAX,
    WINDOW_MAX,
    Account,
    Carrier,
    Person,
    Provider,
    Token,
    Upstream,
)
from proxy.config.reader import load
from proxy.config.values import (
    CONFIRM,
    PROBE_TEXT,
    Archive,
    Console,
    Hold,
    Http,
    LongMessages,
    MailboxBounds,
    OptOutReplies,
    Retention,
    RuleRevisions,
    Sealing,
    Settings,
    SharedStore,
    Smpp,
    SmppTimers,
    StoragePaths,
    Tls,
)
from proxy.config.worker import VARIABLE as WORKER_VARIABLE
from proxy.config.worker import WORKERS_MAX, Worker, every_worker, of_worker, several_journals_fault, worker_faults, worker_of

__all__ = [
    "CARRIERS_MAX", "CONFIRM", "PORTS_MAX", "PROBE_TEXT", "PROVIDERS_MAX", "PROVINCES", "TPS_MAX", "UNOWNED", "UPSTREAMS_MAX",
    "WINDOW_MAX", "WORKERS_MAX", "WORKER_VARIABLE", "Account", "Archive", "Carrier", "Console", "ConsoleLocations", "Hold",
    "Http", "LongMessages", "MailboxBounds", "OptOutReplies", "Person", "StoragePaths", "Provider", "ArchiveLocations", "Retention",
    "RuleRevisions",
    "Sealing", "Settings", "SettingsError", "SharedStore", "Smpp", "SmppTimers", "Tls", "Token", "Upstream", "Worker",
    "console_locations", "control_path", "every_worker", "several_journals_fault", "worker_faults", "load", "of_worker", "provider_names",
    "archive_locations", "rules_folder", "secret_files", "storage_paths", "worker_of",
]  # fmt: skip
