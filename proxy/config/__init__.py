"""Reads ``gate106.yaml`` into frozen, checked settings.

In: the file's path, the environment, files of secrets. Out: ``Settings``, complete and checked, or a ``SettingsError`` with every
fault. Never: a password in a repr or an error, an unknown key that is ignored, a setting that is read but has no effect.

    values.py, peers.py   every setting, declared      reader.py        reads and checks the whole file
    setting_kinds.py      how each kind is read        locations.py     what other processes may read of the file
    mapping_reader.py     one mapping, key by key      worker.py        the settings of one worker
    descriptions.py       the settings, for people     yaml_file.py     YAML as plain values with lines

    SettingsError    str() = "gate106.yaml:14: carriers[0]: unknown key 'windw' (did you mean 'window'?)"
"""

from proxy.config.locations import (
    ArchiveLocations,
    ConsoleLocations,
    archive_locations,
    console_locations,
    control_path,
    follower_settings,
    paths_of_nodes,
    provider_names,
    rules_folder,
    secret_files,
    storage_paths,
    stream_settings,
)
from proxy.config.mapping_reader import SettingsError
from proxy.config.peers import Account, Carrier, Person, Provider, Token, Upstream
from proxy.config.reader import embedded_file, load
from proxy.config.values import (
    PROBE_TEXT,
    Console,
    Follower,
    Hold,
    Log,
    Retention,
    Sealing,
    Settings,
    SharedStore,
    SmppTimers,
    StoragePaths,
    Stream,
    Tls,
    is_loopback,
)
from proxy.config.worker import VARIABLE as WORKER_VARIABLE
from proxy.config.worker import Worker, every_worker, journals_of_workers, worker_faults, worker_of

__all__ = [
    "PROBE_TEXT", "WORKER_VARIABLE", "Account", "ArchiveLocations", "Carrier", "Console", "ConsoleLocations", "Follower", "Hold", "Log",
    "Person", "Provider", "Retention", "Sealing", "Settings", "SettingsError", "SharedStore", "SmppTimers", "StoragePaths", "Stream", "Tls",
    "Token", "Upstream", "Worker", "archive_locations", "console_locations", "control_path",
    "embedded_file", "every_worker", "follower_settings", "is_loopback", "journals_of_workers", "load",
    "paths_of_nodes", "provider_names",
    "rules_folder", "secret_files", "storage_paths", "stream_settings", "worker_faults", "worker_of",
]  # fmt: skip
