"""Agreed rules are stored once, in encrypted pieces, in a real Valkey.

A gate's access rights are enough. Sets that no decision names expire.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.state import open_store
from proxy.state.shared.connection import ServerLogin, StoreDown, StoreRefused
from proxy.state.shared.shared_rules import ABSENT, PIECE_BYTES, PIECES_MAX, SharedRules, Swapped
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import PASSWORD, SECRET, USER, Cluster, Valkey

pytestmark = needs("valkey")


A, B, C = "a" * 16, "b" * 16, "c" * 16
LONG_S = 600.0
FOR_GOOD = -1


@pytest.fixture(scope="module", params=["one server", "cluster"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey | Cluster]:
    folder = tmp_path_factory.mktemp("valkey")
    found = Valkey(folder, acl=True) if request.param == "one server" else Cluster(folder, acl=True)
    yield found
    found.kill()


@pytest.fixture
def on(server: Valkey | Cluster) -> Callable[..., Any]:
    """Runs with what one node, or two, have of an empty store."""
    server.cli("flushall")

    def on(talk: Callable[..., Coroutine[Any, Any, Any]], *secrets: bytes) -> Any:
        async def run() -> Any:
            stores = [
                open_store(server.url, secret=SECRET, login=ServerLogin(USER, PASSWORD), node=node)
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


async def swap(rules: SharedRules, version: bytes, body: bytes, *names: str, leaves: tuple[str, ...] = ()) -> Swapped:
    return await rules.swap(version, body, names=names, leaves=leaves, leave_s=LONG_S)


def pieces(server: Valkey | Cluster, revision: str) -> dict[str, int]:
    """How long each piece of a set stays, in ms, by name."""
    names = [name for name in server.cli("keys", f"*:set:{revision}*").split() if name]
    return {name: int(asked(server, "pttl", name)) for name in names}


def asked(server: Valkey | Cluster, *words: str) -> str:
    """About one key, wherever it is."""
    return server.cli("-c", *words).splitlines()[0]


def test_of_two_who_read_the_same_version_one_is_taken(on: Callable[..., Any]) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        assert (await one.version(), await one.load()) == (ABSENT, (ABSENT, b""))
        assert await swap(one, ABSENT, b"first") is Swapped.TAKEN
        assert await swap(other, ABSENT, b"second") is Swapped.OVERTAKEN
        held = await other.load()
        assert held == (await one.version(), b"first")
        assert await swap(other, held.version, b"second") is Swapped.TAKEN
        assert await swap(one, held.version, b"third") is Swapped.OVERTAKEN
        assert (await one.load()).body == b"second"
        assert await one.version() != held.version

    on(talk, SECRET, SECRET)


@pytest.mark.parametrize("size", [1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES // 2])
def test_a_set_comes_as_it_went_and_goes_by_itself(on: Callable[..., Any], server: Valkey | Cluster, size: int) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        packed = os.urandom(size)
        assert not await one.has_set(A, LONG_S)
        assert await one.get_set(A) is None
        await one.put_set(A, packed, LONG_S)
        await one.put_set(B, packed, 0.2)
        assert await other.get_set(A) == packed
        until(lambda: not pieces(server, B), "it goes")
        assert await other.get_set(B) is None
        assert not await one.has_set(B, LONG_S)
        assert await one.get_set(A) == packed
        assert len(pieces(server, A)) == -(-size // PIECE_BYTES)
        assert all(0 < left <= LONG_S * 1000 for left in pieces(server, A).values())

    on(talk, SECRET, SECRET)


def test_who_asks_for_a_set_has_it_for_as_long_as_it_asks(on: Callable[..., Any], server: Valkey | Cluster) -> None:
    async def talk(one: SharedRules) -> None:
        await one.put_set(A, os.urandom(2 * PIECE_BYTES), 60.0)
        assert await one.has_set(A, LONG_S)
        assert all(left > 60_000 for left in pieces(server, A).values())
        assert await one.has_set(A, 1.0)
        assert all(left > 60_000 for left in pieces(server, A).values()), "nobody is let go of sooner"

    on(talk)


def test_a_decision_and_how_long_its_sets_stay_are_one(on: Callable[..., Any], server: Valkey | Cluster) -> None:
    async def talk(one: SharedRules) -> None:
        for revision in (A, B, C):
            await one.put_set(revision, os.urandom(3 * PIECE_BYTES), 60.0)
        assert await swap(one, b"\0\0\0\0\0\1", b"of another version", A) is Swapped.OVERTAKEN
        assert FOR_GOOD not in pieces(server, A).values()
        assert await swap(one, ABSENT, b"first", A, B) is Swapped.TAKEN
        assert {*pieces(server, A).values(), *pieces(server, B).values()} == {FOR_GOOD}
        assert all(0 < left <= 60_000 for left in pieces(server, C).values())
        assert await swap(one, await one.version(), b"second", B, C, leaves=(A, "d" * 16)) is Swapped.TAKEN
        assert {*pieces(server, B).values(), *pieces(server, C).values()} == {FOR_GOOD}
        assert all(60_000 < left <= LONG_S * 1000 for left in pieces(server, A).values())
        assert await one.has_set(B, 1.0)
        assert set(pieces(server, B).values()) == {FOR_GOOD}, "asking changes nothing of that"

    on(talk)


def test_a_decision_on_a_set_that_is_not_there_or_by_halves_is_not_taken(
    on: Callable[..., Any], server: Valkey | Cluster
) -> None:
    async def talk(one: SharedRules) -> None:
        assert await swap(one, ABSENT, b"first", A) is Swapped.LACKS
        await one.put_set(A, os.urandom(3 * PIECE_BYTES), 60.0)
        await one.put_set(B, b"another", 60.0)
        (last,) = [name for name in pieces(server, A) if name.endswith(":2")]
        assert asked(server, "del", last) == "1"
        assert not await one.has_set(A, LONG_S)
        assert await one.get_set(A) is None
        assert await swap(one, ABSENT, b"first", A, leaves=(B,)) is Swapped.LACKS
        assert await one.load() == (ABSENT, b"")
        assert all(0 < left <= 60_000 for left in (pieces(server, A) | pieces(server, B)).values()), "nothing of it is done"
        await one.put_set(A, os.urandom(3 * PIECE_BYTES), 60.0)
        assert await swap(one, ABSENT, b"first", A, leaves=(B,)) is Swapped.TAKEN

    on(talk)


def test_a_set_that_was_given_later_stays_while_the_decision_that_names_it_stands(
    on: Callable[..., Any], server: Valkey | Cluster
) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        await one.put_set(A, b"x", 60.0)
        await swap(one, ABSENT, b"first", A)
        version = await one.version()
        asked(server, "del", *pieces(server, A))
        await one.confirm(version, A)
        assert not pieces(server, A), "there is nothing to stay"
        await other.put_set(A, os.urandom(2 * PIECE_BYTES), 60.0)
        await other.confirm(ABSENT, A)
        assert FOR_GOOD not in pieces(server, A).values(), "another decision stands"
        await other.confirm(version, A)
        assert list(pieces(server, A).values()) == [FOR_GOOD] * 2

    on(talk, SECRET, SECRET)


def test_of_a_set_that_nobody_decided_on_nothing_is_left(on: Callable[..., Any], server: Valkey | Cluster) -> None:
    """Whoever put it there died, whole or by halves."""

    async def talk(one: SharedRules) -> None:
        await one.put_set(A, os.urandom(4 * PIECE_BYTES), 0.5)
        asked(server, "del", one._piece(A, 0).decode())  # it is written last
        await one.put_set(B, os.urandom(4 * PIECE_BYTES), 0.5)

    on(talk)
    until(lambda: not server.cli("keys", "*:set:*").strip(), "all is gone")


def test_what_is_too_large_is_refused_before_any_of_it_is_there(on: Callable[..., Any]) -> None:
    async def talk(one: SharedRules) -> None:
        with pytest.raises(StoreRefused, match="more than gates give each other"):
            await one.put_set(A, bytes(PIECES_MAX * PIECE_BYTES + 1), LONG_S)
        assert not await one.has_set(A, LONG_S)

    on(talk)


def test_who_has_another_secret_reads_nothing_and_pieces_cannot_change_places(
    on: Callable[..., Any], server: Valkey | Cluster
) -> None:
    async def talk(one: SharedRules, stranger: SharedRules) -> None:
        await swap(one, ABSENT, b"decided")
        await one.put_set(A, b"x", LONG_S)
        await one.put_set(B, b"y", LONG_S)
        for ask in (stranger.load(), stranger.get_set(A)):
            with pytest.raises(StoreRefused, match="was not written by a gate with our secret"):
                await ask
        (first,), (second,) = pieces(server, A), pieces(server, B)
        asked(server, "copy", first, second, "replace")
        with pytest.raises(StoreRefused, match="was not written"):
            await one.get_set(B)

    on(talk, SECRET, b"another secret, of thirty-two octets and more")


def test_what_is_announced_is_known_with_its_readers_until_something_else_is(on: Callable[..., Any]) -> None:
    async def talk(one: SharedRules, other: SharedRules) -> None:
        assert await one.coming() == ("", {})
        await other.report(A, has=False)
        assert await one.coming() == ("", {}), "nobody has announced that"
        await one.announce(A, 60)
        await one.report(A, has=True)
        await other.report(A, has=False)
        assert await other.coming() == (A, {0: True, 1: False})
        await other.report(A, has=True)
        assert (await one.coming()).readers == {0: True, 1: True}
        await one.announce(B, 60)
        await other.report(A, has=True)
        assert await other.coming() == (B, {})
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
                await swap(rules, ABSENT, b"x")
            store.close()

        asyncio.run(talk())
    finally:
        server.kill()
