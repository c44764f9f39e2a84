"""Lists the gate's accounts at carriers, common ones and providers' own.

In: the settings. Out: one CarrierAccount for each, the routes over their lanes, their gauges summed by carrier. Never: a provider's message
on an account that is neither common nor its own (``upstream``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from proxy.config import Settings
from proxy.model.counters import GateCounters
from proxy.net.carrier import CarrierAccount
from proxy.net.carrier_routes import Routes
from proxy.net.link import Turns
from proxy.relay.message_ids import CarrierIds


def carrier_accounts(
    settings: Settings, turns: Turns, tally: GateCounters, ids: Mapping[str, CarrierIds]
) -> list[CarrierAccount]:
    """``ids``: by carrier, which all accounts there share."""
    by_name = {carrier.name: carrier for carrier in settings.carriers}
    accounts = [(carrier, "") for carrier in settings.carriers]
    for provider in settings.providers:
        up = provider.upstream
        if up is not None:
            own = replace(
                by_name[up.carrier], system_id=up.system_id, password=up.password, links=up.links, window=up.window, tps=up.tps
            )
            accounts.append((own, provider.name))
    return [CarrierAccount(carrier, settings.timers, turns, tally, ids.get(carrier.name), owner) for carrier, owner in accounts]


def routes_between(accounts: Sequence[CarrierAccount]) -> Routes:
    common = [account for account in accounts if not account.owner]
    return Routes(
        [account.carrier for account in common],
        {account.carrier.name: account.lane for account in common},
        {account.owner: account.lane for account in accounts if account.owner},
    )


def changed_upstream(before: Settings, after: Settings) -> str:
    """A provider whose own account is another than the one we are bound with, empty if none exists. Those that are gone do no
    harm: their links stay, and what arrives there goes by its port."""
    bound = {provider.name: provider.upstream for provider in before.providers}
    return next((one.name for one in after.providers if one.upstream != bound.get(one.name)), "")


def by_carrier(
    accounts: Iterable[CarrierAccount], gauge: Callable[[CarrierAccount], Mapping[str, float]]
) -> dict[tuple[str, ...], float]:
    """The sum over all accounts at a carrier: its name, and the second label if there is one → how many."""
    found: dict[tuple[str, ...], float] = {}
    for account in accounts:
        for label, value in gauge(account).items():
            labels = (account.carrier.name, label) if label else (account.carrier.name,)
            found[labels] = found.get(labels, 0) + value
    return found
