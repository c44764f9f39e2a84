"""What gates agreed on about rules, in a real Valkey: taken once, files in pieces, sealed, with no more rights than a gate has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.state import open_store
from proxy.state.connection import Login, StoreDown, StoreRefused
from proxy.state.sharedrules import ABSENT, PIECE_BYTES, PIECES_MAX, SharedRules
from tests.needs import needs
from tests.valkey import PASSWORD, SECRET, USER, Valkey

pytestmark = needs("valkey")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    found = Valkey(tmp_path_factory.mktemp("valkey"), acl=True)
    yield found
    found.kill()


@pytest.fixture
def on(server: Valkey) -> Callable[..., Any]:
    """Runs with what one node, or two, have of an empty store."""
    server.cli("flushall")

    def on(talk: Callable[..., Coroutine[Any, Any, Any]], *secrets: bytes) -> Any:
        async def run() -> Any:
            stores = [
                open_store(server.url, secret=SECRET, login=Login(USER, PASSWORD), node=node)
                for node, _ in enumerate(secrets or (SECRET,))
            ]
            for store in stores:
                await store.open()
            try:
                return await talk(*[_rules(store, secret) for store, secret in zip(stores, secrets or (SECRET,), strict=True)])
            finally:
                for store in stores:
                    store.close()

        return asyncio.run(run())

    return on


def _rules(store: Any, secret: bytes) -> SharedRules:
    """With a key of this secret."""
    rules: SharedRules = store.rules
    return rules if secret == SECRET else SharedRules(rules._servers, rules._name.removesuffix(b":rules"), secret[:32], 9)


def test_of_two_who_read_the_same_version_one_is_taken(on: Callable[..., Any]) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        assert (await one.version(), await one.load()) == (ABSENT, (ABSENT, b""))
        assert await one.swap(ABSENT, b"first")
        assert not await other.swap(ABSENT, b"second")
        held = await other.load()
        assert held == (await one.version(), b"first")
        assert await other.swap(held.version, b"second")
        assert not await one.swap(held.version, b"third")
        assert (await one.load()).body == b"second"
        assert await one.version() != held.version

    on(talk, SECRET, SECRET)


@pytest.mark.parametrize("size", [1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES // 2])
def test_a_set_comes_as_it_went_and_goes_for_good(on: Callable[..., Any], size: int) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        packed = os.urandom(size)
        assert not await one.has_set("a" * 16)
        assert await one.get_set("a" * 16) is None
        await one.put_set("a" * 16, packed)
        await one.put_set("b" * 16, b"another")
        assert await other.get_set("a" * 16) == packed
        await other.drop_set("a" * 16)
        for _ in range(1000):  # the server lets go of it within a millisecond
            if not await one.has_set("a" * 16):
                break
        assert await one.get_set("a" * 16) is None
        assert await one.get_set("b" * 16) == b"another"

    on(talk, SECRET, SECRET)


def test_a_set_that_is_written_by_halves_is_not_there(on: Callable[..., Any], server: Valkey) -> None:
    async def talk(one: SharedRules) -> None:
        packed = os.urandom(3 * PIECE_BYTES)
        await one.put_set("a" * 16, packed)
        (piece,) = [key for key in server.cli("keys", "*:set:*").split() if key.endswith(":2")]
        server.cli("del", piece)
        assert await one.get_set("a" * 16) is None
        (first,) = [key for key in server.cli("keys", "*:set:*").split() if key.endswith("a" * 16)]
        server.cli("del", first)
        assert not await one.has_set("a" * 16)

    on(talk)


def test_what_is_too_large_is_refused_before_any_of_it_is_there(on: Callable[..., Any]) -> None:
    async def talk(one: SharedRules) -> None:
        with pytest.raises(StoreRefused, match="more than gates give each other"):
            await one.put_set("a" * 16, bytes(PIECES_MAX * PIECE_BYTES + 1))
        assert not await one.has_set("a" * 16)

    on(talk)


def test_who_has_another_secret_reads_nothing_and_pieces_cannot_change_places(on: Callable[..., Any], server: Valkey) -> None:
    async def talk(one: SharedRules, stranger: SharedRules) -> None:
        await one.swap(ABSENT, b"decided")
        await one.put_set("a" * 16, b"x")
        await one.put_set("b" * 16, b"y")
        for ask in (stranger.load(), stranger.get_set("a" * 16)):
            with pytest.raises(StoreRefused, match="was not written by a gate with our secret"):
                await ask
        (first,) = [key for key in server.cli("keys", "*:set:*").split() if key.endswith("a" * 16)]
        (second,) = [key for key in server.cli("keys", "*:set:*").split() if key.endswith("b" * 16)]
        server.cli("copy", first, second, "replace")
        with pytest.raises(StoreRefused, match="was not written"):
            await one.get_set("b" * 16)

    on(talk, SECRET, b"another secret, of thirty-two octets and more")


def test_what_is_announced_is_known_with_its_readers_until_something_else_is(on: Callable[..., Any]) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        assert await one.coming() == ("", {})
        await other.report("a" * 16, has=False)
        assert await one.coming() == ("", {}), "nobody has announced that"
        await one.announce("a" * 16, 60)
        await one.report("a" * 16, has=True)
        await other.report("a" * 16, has=False)
        assert await other.coming() == ("a" * 16, {0: True, 1: False})
        await other.report("a" * 16, has=True)
        assert (await one.coming()).readers == {0: True, 1: True}
        await one.announce("b" * 16, 60)
        await other.report("a" * 16, has=True)
        assert await other.coming() == ("b" * 16, {})
        await one.announce("", 0)
        for _ in range(1000):
            if not (await one.coming()).revision:
                break
        assert await one.coming() == ("", {})

    on(talk, SECRET, SECRET)


def test_what_cannot_be_asked_says_so_and_is_out_of_reach_then(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    try:

        async def talk() -> None:
            store = open_store(server.url, secret=SECRET)
            await store.open()
            rules = store.rules
            assert rules is not None
            assert rules.up
            server.kill()
            with pytest.raises(StoreDown):
                await rules.version()
            assert not rules.up
            with pytest.raises(StoreDown):
                await rules.swap(ABSENT, b"x")
            store.close()

        asyncio.run(talk())
    finally:
        server.kill()
