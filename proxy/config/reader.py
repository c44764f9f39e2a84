"""Reads a settings file."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.config.cross_checks import check_settings
from proxy.config.mapping_reader import Fields, SettingsFile
from proxy.config.peers import Carrier, Provider
from proxy.config.setting_kinds import read_settings, setting
from proxy.config.values import OnJudgeError, Settings, SharedStore
from proxy.config.worker import Worker, of_worker, worker_of
from proxy.config.yaml_file import unknown
from proxy.model.message import Category

STORES = ("sqlite", "valkey", "valkeys", "valkey+cluster", "valkeys+cluster")  # schemes, each with an engine in state/stores


def load(path: Path | str, worker: Worker | None = None) -> Settings:
    """Reads a settings file; for one worker where the caller or the environment names one. Raises SettingsError with every fault in it."""
    path, worker = Path(path), worker or worker_of(os.environ)
    file, top = open_settings(path)
    settings = _settings(top)
    file.raise_faults()
    return of_worker(settings, worker) if worker is not None else settings


def open_settings(path: Path) -> tuple[SettingsFile, Fields]:
    """The file and its top-level mapping. Raises SettingsError if it is not YAML."""
    file = SettingsFile(path)
    top = file.top()
    journal: Path = setting(Settings, "journal", top)
    file.home = (embedded_file(setting(Settings, "store", top)) or journal).parent
    return file, top


def line_of(setting: str, path: Path | None) -> int:
    """The line of a setting in a file that can be read."""
    return open_settings(path)[0].document.line((setting,)) if path is not None else 1


def embedded_file(store: str) -> Path | None:
    """The file of an embedded store (a ``Settings.store``); None of any other."""
    return Path(store.removeprefix("sqlite://")) if store.startswith("sqlite:///") else None


def _settings(top: Fields) -> Settings:
    on_judge_error = read_settings(OnJudgeError, top.below("on_judge_error"))
    settings = read_settings(
        Settings, top, shared=_shared(top), on_judge_error={one: getattr(on_judge_error, one.word) for one in Category}
    )
    carriers = {carrier.name: carrier for carrier in settings.carriers}
    settings = replace(settings, providers=tuple(_with_upstream(one, carriers) for one in settings.providers))
    check_settings(top, settings)
    return settings


def _shared(top: Fields) -> SharedStore | None:
    """The section ``shared``: needed with a shared store, and without meaning otherwise."""
    store: str = setting(Settings, "store", top)
    scheme = store.partition(":")[0]
    if store and scheme not in STORES:
        top.fault(("store",), unknown("engine", scheme, STORES))
    if not top.has("shared") and (scheme in ("", "sqlite") or scheme not in STORES):
        return None
    if scheme == "sqlite":
        top.fault(("shared",), "has no meaning with an embedded store (store: valkey://…)")
    return read_settings(SharedStore, top.below("shared"))


def _with_upstream(provider: Provider, carriers: dict[str, Carrier]) -> Provider:
    """The provider with its own account at a carrier: missing bounds of that account are those of the carrier's."""
    upstream = provider.upstream
    if upstream is None or (carrier := carriers.get(upstream.carrier)) is None:
        return provider
    given: dict[str, Any] = {key: getattr(carrier, key) for key in ("links", "window", "tps") if getattr(upstream, key) is None}
    return replace(provider, upstream=replace(upstream, **given))
