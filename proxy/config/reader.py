"""Reads a settings file, and checks what depends on several fields.

Examples: names that are taken twice, sender ports with two owners.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.config.mapping_reader import Fields, SettingsFile
from proxy.config.peers import Carrier, Provider
from proxy.config.setting_kinds import read_settings, setting
from proxy.config.values import OnJudgeError, Settings, SharedStore
from proxy.config.worker import Worker, of_worker, worker_of
from proxy.config.yaml_file import Place, spell, unknown
from proxy.model.message import Category
from proxy.model.roles import Permission

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


UPSTREAMS_MAX = 256  # providers' own accounts at carriers: each costs connections and a pacer
UNOWNED = "unowned"


def check_settings(top: Fields, settings: Settings) -> None:
    _check_duplicates(top, "carriers", [("name", carrier.name) for carrier in settings.carriers])
    _check_duplicates(top, "carriers", [("code", carrier.code) for carrier in settings.carriers])
    _check_duplicates(top, "providers", [("name", provider.name) for provider in settings.providers])
    _check_duplicates(top.below("http"), "tokens", [("name", token.name) for token in settings.http.tokens])
    _check_duplicates(top, "people", [("name", person.name) for person in settings.people])
    _check_duplicates(top, "people", [("user", person.user) for person in settings.people])
    able = [person for person in settings.people if any(Permission.APPROVE in role.may for role in person.roles)]
    if settings.control_group and not settings.people:
        top.fault(("control_group",), "needs people: where nobody is listed, whoever may open the socket may do everything")
    if settings.console.listen is not None and not settings.people:
        top.fault(("console", "listen"), "needs people: whoever opens the console says who they are with a token of theirs")
    if settings.revisions.four_eyes and len(able) < 2:
        top.fault(("revisions", "four_eyes"), "needs two persons who can approve (people: name, token and roles of each)")
    held = {one.token for one in settings.http.tokens} | {one.token for one in settings.people}
    for index, provider in enumerate(settings.providers):
        if provider.token and provider.token in held:
            top.fault(("providers", index, "token"), "is somebody else's, too: each needs a token of their own")
        held.add(provider.token)
        if provider.name == UNOWNED:
            top.fault(("providers", index, "name"), f"{UNOWNED!r} is what metrics call ports that belong to nobody")
    if settings.message_ids == "coded":
        for index, carrier in enumerate(settings.carriers):
            if not carrier.code:
                top.fault(("carriers", index), "'code' is missing (message_ids: coded needs it)")
    _check_upstreams(top, settings)
    _check_ports(top, settings)
    _check_accounts(top, settings)


def _check_duplicates(top: Fields, section: str, values: list[tuple[str, str]]) -> None:
    first: dict[str, int] = {}
    for index, (key, value) in enumerate(values):
        if value and first.setdefault(value, index) != index:
            top.fault((section, index, key), f"{value!r} is taken by {section}[{first[value]}]")


def _check_upstreams(top: Fields, settings: Settings) -> None:
    """An account at a carrier belongs to one provider, or to all: messages that arrive over it must have one owner."""
    taken = {(carrier.name, carrier.system_id): f"the account of carriers[{n}]" for n, carrier in enumerate(settings.carriers)}
    names = [carrier.name for carrier in settings.carriers if carrier.name]
    count = 0
    for index, provider in enumerate(settings.providers):
        upstream = provider.upstream
        if upstream is None:
            continue
        count += 1
        if upstream.carrier and upstream.carrier not in names:
            top.fault(("providers", index, "upstream"), unknown("carrier", upstream.carrier, names), line_of=("carrier",))
        holder = taken.setdefault((upstream.carrier, upstream.system_id), f"taken by providers[{index}]")
        if holder != f"taken by providers[{index}]":
            top.fault(("providers", index, "upstream", "system_id"), f"{upstream.system_id!r} is {holder}")
        if count == UPSTREAMS_MAX + 1:
            top.fault(("providers", index, "upstream"), f"more than {UPSTREAMS_MAX} accounts at carriers")


def _check_ports(top: Fields, settings: Settings) -> None:
    """One prefix belongs to one provider; an account's ports lie within its provider's."""
    owners: dict[str, Place] = {}
    for index, provider in enumerate(settings.providers):
        for number, port in enumerate(provider.ports):
            place: Place = ("providers", index, "ports", number)
            owner = owners.setdefault(port, place)
            if owner != place:
                top.fault(place, f"{port!r} is taken by {spell(owner[:2])}: one prefix belongs to one provider")
        for row, account in enumerate(provider.accounts):
            for number, port in enumerate(account.ports or ()):
                if not any(
                    port == own or (port.isdigit() and own.isdigit() and port.startswith(own)) for own in provider.ports
                ):
                    top.fault(
                        ("providers", index, "accounts", row, "ports", number), f"{port!r} is not among the provider's ports"
                    )


def _check_accounts(top: Fields, settings: Settings) -> None:
    first: dict[str, int] = {}
    for index, provider in enumerate(settings.providers):
        for row, account in enumerate(provider.accounts):
            name = account.system_id
            if name and name in first:
                listed: Place = ("providers", index, "accounts", row, "system_id")
                place = listed if listed in top.file.document.lines else ("providers", index, "system_id")
                top.fault(place, f"{name!r} is an account of providers[{first[name]}] already")
            first.setdefault(name, index)
