"""Checks settings that depend on several fields.

Examples: names that are taken twice, sender ports with two owners.
"""

from proxy.config.mapping_reader import Fields
from proxy.config.values import Settings
from proxy.config.yaml_file import Place, spell, unknown
from proxy.model.roles import Permission

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
