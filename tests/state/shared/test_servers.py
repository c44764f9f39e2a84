"""URLs of shared stores are parsed, and invalid ones explained."""

from __future__ import annotations

import pytest

from proxy.state import StateError
from proxy.state.shared.connection import ServerAddress
from proxy.state.shared.servers import Located, locate
from proxy.state.stores.valkey import open_url


@pytest.mark.parametrize(
    ("url", "located"),
    [
        ("valkey://store", Located([ServerAddress("store", 6379)], 0, False)),
        ("valkey://10.0.0.7:7001/3", Located([ServerAddress("10.0.0.7", 7001)], 3, False)),
        ("valkey://[fd00::1]:7001", Located([ServerAddress("fd00::1", 7001)], 0, False)),
        ("valkey://[fd00::1]", Located([ServerAddress("fd00::1", 6379)], 0, False)),
        (
            "valkey+cluster://a:1,b,c:3",
            Located([ServerAddress("a", 1), ServerAddress("b", 6379), ServerAddress("c", 3)], 0, True),
        ),
    ],
)
def test_a_url_names_one_server_or_some_of_a_cluster(url: str, located: Located):
    assert locate(url, encrypted=False) == located


def test_certificates_go_with_the_url_that_says_so():
    assert locate("valkeys://store/2", encrypted=True) == Located([ServerAddress("store", 6379)], 2, False)
    for url, encrypted in (("valkeys://store", False), ("valkey://store", True)):
        with pytest.raises(StateError, match="certificates"):
            locate(url, encrypted=encrypted)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("valkey+sentinel://store", "'sentinel' is not known"),
        ("valkey://:secret@store", "no user or password in the URL"),
        ("valkey://one,two", "one host and a database's number, or with [+]cluster several hosts"),
        ("valkey+cluster://one,two/1", "one host and a database's number"),
        ("valkey://store/first", "one host and a database's number"),
        ("valkey://store:seven", "'store:seven' is no host:port"),
        ("valkey://store:0", "is no host:port"),
        ("valkey://store:65536", "is no host:port"),
        ("valkey://", "'' is no host:port"),
        ("valkey+cluster://one,,two", "'' is no host:port"),
    ],
)
def test_what_a_url_does_not_say_is_told(url: str, why: str):
    with pytest.raises(StateError, match=why):
        locate(url, encrypted=False)


def test_no_store_is_opened_without_what_its_keys_are_hashed_with():
    with pytest.raises(StateError, match=r"shared\.secret is needed"):
        open_url("valkey://store")
