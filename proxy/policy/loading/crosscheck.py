"""Finds registry rows that contradict other rows, rules, or settings.

They do not refuse a rule set: the gate can run with a superfluous row, but ``gate106 check`` fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxy.config import Provider
from proxy.config.yaml_file import unknown
from proxy.policy.condition import OneOf, leaves
from proxy.policy.loading.problem import Problem
from proxy.policy.registries.registry import Registry
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.folding import normal_signature


class _RowProblems:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.problems: list[Problem] = []

    def fault(self, table: str, line: int, text: str) -> None:
        """``table``: the file's name, without .csv."""
        self.problems.append(Problem(f"{self.folder}/registries/{table}.csv", line, text))

    def unregistered(self, table: str, line: int, signature: str, known: Iterable[str]) -> None:
        problem = unknown("signature", signature, known)
        self.fault(table, line, f"signature: {problem}; registries/signatures.csv does not name it")

    def once(self, table: str, rows: Iterable[tuple[str, int]], what: str) -> None:
        """Each key stands in one row."""
        first: dict[str, int] = {}
        for key, line in rows:
            if first.setdefault(key, line) != line:
                self.fault(table, line, f"{what} '{key}' stands in line {first[key]} already")


def crosscheck(rules: RuleSet, folder: str, providers: Iterable[Provider] | None = None) -> list[Problem]:
    """``folder``: how errors call the rules folder; ``providers``: of the settings, None where there are none to compare with."""
    found = _RowProblems(folder)
    registry = rules.registry
    _twice(found, registry)
    _advertisers(found, registry)
    _templates(found, registry)
    _filings(found, registry)
    _contacts(found, registry)
    _holidays(found, registry)
    _nested_ports(found, registry)
    if providers is not None:
        _settings(found, rules, {one.name: one for one in providers})
    return found.problems


def both_ways(registry: Registry, folder: str) -> list[Problem]:
    """Shops whose platform is stopped with them, by what rules may ask for beside the platform: it may be meant."""
    found = _RowProblems(folder)
    for row in registry.rows.advertisers:
        licence = registry.licence_of(row.advertiser)
        same = {
            "group": registry.group_named(row.advertiser) == registry.group_named(row.platform),
            "licence": licence and licence == registry.licence_of(row.platform),
        }
        for word in (word for word in same if row.platform and same[word]):
            problem = f"{word}: {row.advertiser} and its platform {row.platform} have one: who refuses the shop may stop the platform, too"
            found.fault("advertisers", row.line, problem)
    return found.problems


def unowned_ports(registry: Registry, folder: str, providers: Iterable[Provider]) -> list[Problem]:
    """Ports that no provider of the settings has: an example's, a former provider's, or another gate's."""
    found, known = _RowProblems(folder), list(providers)
    for port in registry.rows.ports:
        if not any(_owns(one, port.prefix) or any(own.startswith(port.prefix) for own in one.ports) for one in known):
            found.fault("ports", port.line, f"prefix: no provider of the settings owns {port.prefix}, or a port in it")
    return found.problems


# --- registries with each other


def _twice(found: _RowProblems, registry: Registry) -> None:
    rows = registry.rows
    found.once("advertisers", ((row.advertiser, row.line) for row in rows.advertisers), "advertiser")
    found.once("ports", ((row.prefix, row.line) for row in rows.ports), "prefix")
    found.once("test-numbers", ((str(row.number), row.line) for row in rows.test_numbers), "number")
    found.once("templates", ((row.name, row.line) for row in rows.templates.rows), "template")
    signatures = (
        (f"{normal_signature(row.signature)}, {row.provider}, {row.port}".rstrip(", "), row.line) for row in rows.signatures
    )
    found.once("signatures", signatures, "signature, provider and port")
    whose: dict[str, tuple[str, int]] = {}
    for row in rows.signatures:
        owner, line = whose.setdefault(normal_signature(row.signature), (row.advertiser, row.line))
        if owner != row.advertiser:
            problem = f"advertiser: {row.signature} is {owner}'s in line {line}, and so is all that comes under it"
            found.fault("signatures", row.line, problem)
    owned = ((contact, row.line) for row in rows.advertisers for contact in (*row.domains, *row.phones))
    found.once("advertisers", owned, "domain or phone")


def _advertisers(found: _RowProblems, registry: Registry) -> None:
    """Where there is a register of advertisers, the other files name those of it."""
    rows = registry.rows
    known = sorted({row.advertiser for row in rows.advertisers})
    if known:
        for table, name, line in _named_advertisers(registry):
            if name not in known:
                hint = "registries/advertisers.csv does not name it"
                found.fault(table, line, f"advertiser: {unknown('advertiser', name, known)}; {hint}")
    groups: dict[str, tuple[str, int]] = {}
    for row in rows.signatures:
        group, line = groups.setdefault(row.advertiser, (row.group, row.line))
        if row.group and group and row.group != group:
            found.fault("signatures", row.line, f"group: {row.advertiser} is of group '{group}' in line {line}")


def _named_advertisers(registry: Registry) -> Iterator[tuple[str, str, int]]:
    rows = registry.rows
    yield from (("signatures", row.advertiser, row.line) for row in rows.signatures)
    yield from (("contacts", row.advertiser, row.line) for row in rows.contacts if row.advertiser)
    yield from (("licences", row.advertiser, row.line) for row in rows.licences)
    yield from (("ports", row.advertiser, row.line) for row in rows.ports if row.advertiser)
    signatures = {normal_signature(row.signature) for row in rows.signatures}
    yield from (
        ("consents", row.advertiser, row.line)
        for row in rows.consents.rows()
        if row.advertiser and normal_signature(row.advertiser) not in signatures
    )


def _templates(found: _RowProblems, registry: Registry) -> None:
    """A template's signature is registered, and for its provider."""
    owners: dict[str, set[str]] = {}
    for row in registry.rows.signatures:
        owners.setdefault(normal_signature(row.signature), set()).add(row.provider)
    for template in registry.rows.templates.rows if owners else ():
        of = owners.get(normal_signature(template.signature))
        if of is None:
            known = [row.signature for row in registry.rows.signatures]
            found.unregistered("templates", template.line, template.signature, known)
        elif template.provider and "" not in of and template.provider not in of:
            problem = f"provider: the signature is registered for {', '.join(sorted(of))}, not for '{template.provider}'"
            found.fault("templates", template.line, problem)


def _filings(found: _RowProblems, registry: Registry) -> None:
    """A filing is of a registered signature; a signature of a shop has the shop's link."""
    for one in registry.rows.signatures:
        if one.source == "shop" and not one.link:
            found.fault("signatures", one.line, "link: is missing (the source of the signature is a shop)")
    known = {normal_signature(row.signature): row.signature for row in registry.rows.signatures}
    for row in registry.rows.filings:
        if normal_signature(row.signature) not in known:
            found.unregistered("filings", row.line, row.signature, known.values())


def _contacts(found: _RowProblems, registry: Registry) -> None:
    """The signature and the template of a contact are registered, and belong together."""
    rows = registry.rows
    signatures = {normal_signature(row.signature): row for row in rows.signatures}
    templates = {row.name: row for row in rows.templates.rows}
    for row in rows.contacts:
        name = normal_signature(row.signature)
        signature, template = signatures.get(name), templates.get(row.template)
        if row.signature and signatures and signature is None:
            found.unregistered("contacts", row.line, row.signature, [one.signature for one in rows.signatures])
        elif signature is not None and row.advertiser not in ("", signature.advertiser):
            found.fault(
                "contacts", row.line, f"advertiser: {row.signature} is {signature.advertiser}'s, not {row.advertiser}'s"
            )
        if row.template and template is None:
            problem = unknown("template", row.template, templates)
            found.fault("contacts", row.line, f"template: {problem}; registries/templates.csv does not name it")
        elif row.signature and template is not None and normal_signature(template.signature) != name:
            found.fault(
                "contacts", row.line, f"template: {row.template} is of signature {template.signature}, not {row.signature}"
            )


def _holidays(found: _RowProblems, registry: Registry) -> None:
    off: dict[int, int] = {}
    for row in registry.rows.holidays.rows:
        if row.kind == "holiday":
            off.update(dict.fromkeys(range(row.first, row.last + 1), row.line))
    for row in registry.rows.holidays.rows:
        if row.kind == "workday" and (line := next((off[day] for day in range(row.first, row.last + 1) if day in off), 0)):
            found.fault("holidays", row.line, f"kind: a day of these is a holiday by line {line}")


def _nested_ports(found: _RowProblems, registry: Registry) -> None:
    """A longer prefix wins, so it may say less than the shorter one around it, not something else."""
    ports = {row.prefix: row for row in registry.rows.ports}
    for row in registry.rows.ports:
        around = next(
            (ports[row.prefix[:size]] for size in range(len(row.prefix) - 1, 0, -1) if row.prefix[:size] in ports), None
        )
        if around is not None and around.province and row.province != around.province:
            place = row.province or "national"
            problem = f"prefix {row.prefix} is {place}, and lies in {around.prefix} (line {around.line}), which is for {around.province}"
            found.fault("ports", row.line, problem)


# --- with the settings


def _settings(found: _RowProblems, rules: RuleSet, providers: dict[str, Provider]) -> None:
    rows = rules.registry.rows
    named = [
        *(("signatures", row.provider, row.line) for row in rows.signatures),
        *(("contacts", row.provider, row.line) for row in rows.contacts),
        *(("templates", row.provider, row.line) for row in rows.templates.rows),
        *(("reviewed", row.provider, row.line) for row in rows.reviewed.rows),
    ]
    for table, name, line in named:
        if name and name not in providers:
            found.fault(table, line, f"provider: {unknown('provider', name, providers)}; the settings do not name it")
    for row in rows.signatures:
        owner = providers.get(row.provider)
        if owner is not None and row.port and not _owns(owner, row.port):
            found.fault(
                "signatures",
                row.line,
                f"port: {row.port} is none of the ports of '{row.provider}' in the settings",
            )
    found.problems += _of_rules(rules, providers)


def _owns(provider: Provider, port: str) -> bool:
    return any(port == own or (own.isdigit() and port.startswith(own)) for own in provider.ports)


def _of_rules(rules: RuleSet, providers: dict[str, Provider]) -> Iterator[Problem]:
    """Providers and accounts that rules name, and penalties."""
    known = {
        "provider": set(providers),
        "account": {account.system_id for provider in providers.values() for account in provider.accounts},
    }
    for rule in rules.rules:
        for leaf in leaves(rule.when) if rule.mode != "off" else ():
            if isinstance(leaf, OneOf) and leaf.field in known:
                for name in sorted(leaf.values - known[leaf.field]):
                    problem = unknown(leaf.field, name, known[leaf.field])
                    yield Problem(rule.file, rule.line, f"{leaf.field}: {problem}; the settings do not name it")
    for trigger in rules.desk.triggers:
        for name in trigger.providers:
            if name not in known["provider"]:
                problem = unknown("provider", name, known["provider"])
                yield Problem(trigger.file, trigger.line, f"provider: {problem}; the settings do not name it")
