"""Accounts: from which ports they may send, and who owns a port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Account, Provider, Settings, load
from proxy.model.message import Category
from proxy.relay.account_access import SENDERS_MAX, Directory, PortTable


def provider(name: str, *ports: str, tps: float | None = None, accounts: tuple[Account, ...] = ()) -> Provider:
    accounts = accounts or (Account(name, "secret", None, None, None),)
    return Provider(name, accounts, ports, (), tps, 4, 16, Category.MARKETING, "vendor", "none", None)


def directory(tmp_path, *providers: Provider, before: Directory | None = None) -> Directory:
    return Directory(settings(tmp_path, *providers), before)


def settings(tmp_path, *providers: Provider) -> Settings:
    path = tmp_path / "gate106.yaml"
    path.write_text("store: sqlite:state.db\njournal: journal\nrules: rules\n")
    loaded = load(path)
    return Settings(**{name: getattr(loaded, name) for name in Settings.__slots__} | {"providers": providers})


def test_the_longest_prefix_owns_a_port():
    ports = PortTable((provider("jia", "1069"), provider("yi", "106901", "")))
    assert ports.longest("10690123") == ("106901", "yi")
    assert ports.longest("10690223") == ("1069", "jia")
    assert ports.longest("1068") == ("", "")


def test_an_empty_or_alphanumeric_source_is_owned_only_literally():
    ports = PortTable((provider("jia", "BANK", "1069"), provider("yi", "")))
    assert ports.longest("BANK") == ("BANK", "jia")
    assert ports.longest("BANKER") == ("", "")
    assert ports.longest("1069A") == ("", "")
    assert ports.longest("")[1] == "yi"
    assert PortTable((provider("jia", "1069"),)).longest("") == ("", "")


@pytest.mark.parametrize("written", ["10690199", "8610690199", "+8610690199", "008610690199"])
@pytest.mark.parametrize("registered", ["106901", "86106901", "1069", "861069"])
def test_a_port_finds_its_owner_with_the_countrys_code_and_without_however_it_is_registered(written: str, registered: str):
    ports = PortTable((provider("jia", registered), provider("yi", "BANK", "")))
    found = ports.national(written)
    assert ports.longest(found) == (registered, "jia")
    assert found == ("8610690199" if registered.startswith("86") else "10690199")


def test_the_longest_prefix_owns_a_port_whichever_is_registered_with_the_code():
    ports = PortTable((provider("jia", "1069"), provider("yi", "86106901"), provider("bing", "106902")))
    assert ports.national("10690199") == ports.national("+8610690199") == "8610690199"
    assert ports.national("10690299") == ports.national("8610690299") == "10690299"
    assert ports.national("8610690399") == "10690399"


def test_among_equal_prefixes_a_port_stays_as_it_is():
    ports = PortTable((provider("jia", "106901"), provider("yi", "86106901")))
    assert (ports.national("10690199"), ports.national("8610690199")) == ("10690199", "8610690199")


def test_a_port_that_nobody_owns_has_no_code_and_the_code_alone_is_nobodys_empty_source():
    ports = PortTable((provider("jia", "1069"), provider("yi", "", "BANK")))
    assert [ports.national(one) for one in ("+8610086", "10086", "86", "+86", "BANK", "86BANK")] == [
        "10086",
        "10086",
        "86",
        "+86",
        "BANK",
        "BANK",
    ]
    assert ports.longest(ports.national("86")) == ("", "")


@given(st.lists(st.text("01", min_size=1, max_size=6), unique=True, max_size=12), st.text("01", max_size=8))
def test_the_table_agrees_with_asking_every_prefix(prefixes: list[str], port: str):
    table = PortTable(tuple(provider(f"p{prefix}", prefix) for prefix in prefixes))
    best = max((prefix for prefix in prefixes if port.startswith(prefix)), key=len, default="")
    assert table.longest(port) == (best, f"p{best}" if best else "")


def head(source: str) -> bytes:
    """As wire.Submit has it: service_type, type, plan and source_addr."""
    return b"\0\0\1" + source.encode() + b"\0"


def test_a_source_of_somebody_else_makes_a_sender_without_a_prefix(tmp_path):
    harness = directory(tmp_path, provider("jia", "1069001"), provider("yi", "1069002"))
    assert harness.accesses["jia"].sender(head("10690015")).prefix == "1069001"
    assert harness.accesses["jia"].sender(head("10690025")).prefix == ""


def test_an_account_is_bound_to_its_own_ports_within_its_providers(tmp_path):
    narrow = Account("jia-2", "secret", ("10690012",), None, None)
    wide = Account("jia-1", "secret", None, None, None)
    harness = directory(tmp_path, provider("jia", "1069001", accounts=(wide, narrow)))
    assert harness.accesses["jia-2"].sender(head("106900123")).prefix == "1069001"
    assert harness.accesses["jia-2"].sender(head("106900133")).prefix == ""
    assert harness.accesses["jia-1"].sender(head("106900133")).prefix == "1069001"


def test_the_rate_is_one_for_all_accounts_of_a_provider(tmp_path):
    two = (Account("a", "secret", None, None, None), Account("b", "secret", None, None, None))
    harness = directory(tmp_path, provider("jia", "1069", tps=4, accounts=two))
    taken = [harness.accesses[name].takes(100.0) for name in "abababab"]
    assert taken == [True] * 4 + [False] * 4
    assert harness.accesses["b"].takes(100.25)
    assert not harness.accesses["a"].takes(100.25)


def test_a_refused_account_costs_its_provider_nothing(tmp_path):
    slow, fast = Account("slow", "secret", None, 1, None), Account("fast", "secret", None, None, None)
    harness = directory(tmp_path, provider("jia", "1069", tps=4, accounts=(slow, fast)))
    assert [harness.accesses["slow"].takes(100.0) for _ in range(10)] == [True] + [False] * 9
    assert [harness.accesses["fast"].takes(100.0) for _ in range(4)] == [True] * 3 + [False]


def test_a_reload_keeps_what_is_bound(tmp_path):
    before = directory(tmp_path, provider("jia", "1069"))
    before.provider_binds["jia"] = 3
    after = directory(tmp_path, provider("jia", "1069", "1068"), before=before)
    assert after.provider_binds["jia"] == 3
    assert after.owner("1068") == "jia"


def test_invented_sources_do_not_grow_memory_without_end(tmp_path):
    access = directory(tmp_path, provider("jia", "1069")).accesses["jia"]
    for number in range(2 * SENDERS_MAX + 10):
        access.sender(head(f"1069{number}"))
    assert len(access._young) + len(access._old) <= 2 * SENDERS_MAX
