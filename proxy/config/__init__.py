"""config: settings. What ``gate106.yaml`` says, as frozen values.

In: the file's path, the environment, files of secrets. Out: ``Settings``, complete and checked, or a ``SettingsError`` that holds
every fault. Never: a password in a repr or an error, an unknown key taken in silence, a setting that is read but not acted on.

    values.py    the frozen values             reader.py   the file, section by section
    peers.py     carriers and providers        cross_checks.py    what no single field can say
    worker.py    what is one worker's own of them          locations.py    what others may know of it
    descriptions.py   each setting as people read of it, from what reader.py asks for

    SettingsError    str() = "gate106.yaml:14: carriers[0]: unknown key 'windw' (did you mean 'window'?)"
"""

from proxy.config.cross_checks import UNOWNED, UPSTREAMS_MAX
from proxy.config.locations import (
    ConsolePlaces,
    RestPlaces,
    console_places,
    control_path,
    provider_names,
    rest_places,
    rules_folder,
    secret_files,
    state_places,
)
from proxy.config.peers import CARRIERS_MAX, PORTS_MAX, PROVIDERS_MAX, PROVINCES, TPS_MAX, WINDOW_MAX
from proxy.config.reader import CONFIRM, load
from proxy.config.values import (
    PROBE_TEXT,
    Account,
    Archive,
    Carrier,
    Console,
    Hold,
    Http,
    LongMessages,
    MailboxBounds,
    OptOutReplies,
    Person,
    Provider,
    Retention,
    RuleRevisions,
    Sealing,
    Settings,
    SettingsError,
    SharedStore,
    Smpp,
    SmppTimers,
    StoragePaths,
    Tls,
    Token,
    Upstream,
)
from proxy.config.worker import VARIABLE as WORKER_VARIABLE
from proxy.config.worker import WORKERS_MAX, Worker, every_worker, fault_of_several, faults_of_many, of_worker, worker_of

__all__ = [
    "CARRIERS_MAX", "CONFIRM", "PORTS_MAX", "PROBE_TEXT", "PROVIDERS_MAX", "PROVINCES", "TPS_MAX", "UNOWNED", "UPSTREAMS_MAX",
    "WINDOW_MAX", "WORKERS_MAX", "WORKER_VARIABLE", "Account", "Archive", "Carrier", "Console", "ConsolePlaces", "Hold",
    "Http", "LongMessages", "MailboxBounds", "OptOutReplies", "Person", "StoragePaths", "Provider", "RestPlaces", "Retention", "RuleRevisions",
    "Sealing", "Settings", "SettingsError", "SharedStore", "Smpp", "SmppTimers", "Tls", "Token", "Upstream", "Worker",
    "console_places", "control_path", "every_worker", "fault_of_several", "faults_of_many", "load", "of_worker", "provider_names",
    "rest_places", "rules_folder", "secret_files", "state_places", "worker_of",
]  # fmt: skip
