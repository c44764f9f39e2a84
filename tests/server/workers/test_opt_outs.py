"""Opt-outs and consents that one worker gets hold at all workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import test_consent_by_reply as consents
from tests.e2e import test_platforms as platforms
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, provider, run
from tests.e2e.sharing import PORTS
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import Crewed
from tests.valkey import Valkey

CONNECTIONS = 8
"""Binds of one advertisement each: that all of them come to the same of two workers happens once in 128."""
LI, WANG = SHANGHAI.format(1), SHANGHAI.format(2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "gate").mkdir()
    server = Valkey(tmp_path / "valkey")
    yield server.url
    server.kill()


class Crew(Crewed, consents.Asking):  # type: ignore[misc] # both have a ``said``
    """Two workers that ask for consent."""


@needs("valkey")
def test_who_refuses_a_platform_hears_no_shop_of_it_by_any_worker(tmp_path: Path, carrier: Carrier, store: str) -> None:
    binds = [provider(name, PORTS[name], category="marketing", binds=20) for name in platforms.PROVIDERS]
    pool = Crewed(tmp_path / "gate", carrier.port, binds, 2, store, node=8)
    pool.write_rules(platforms.RULES)
    platforms.register(pool)
    pool.start()
    try:
        for person, refused in ((LI, "青集"), (WANG, "禾苗")):
            assert platforms.statuses(pool, "jia", person, refused) == [0]
            platforms.refuses(carrier, person, "jia")
        for by in ("jia", "yi") * (CONNECTIONS // 2):
            assert platforms.statuses(pool, by, LI, "禾苗", "麦田") == [platforms.NOT_PERMITTED] * 2
            assert platforms.statuses(pool, by, WANG, "禾苗", "麦田") == [platforms.NOT_PERMITTED, 0]
    finally:
        pool.stop()


@needs("valkey")
def test_an_answer_to_a_consent_request_counts_at_all_workers_until_the_person_opts_out(
    tmp_path: Path, carrier: Carrier, store: str
) -> None:
    jia = provider("jia", consents.PORT, category="marketing", binds=20)
    pool = Crew(tmp_path / "gate", carrier.port, [jia], 2, store, node=8, people=consents.PEOPLE, consent_by_reply="accept")
    pool.carrier = carrier
    consents.register(pool)
    pool.start()
    try:
        assert {pool.send(LI, consents.AD) for _ in range(CONNECTIONS)} == {consents.MISSING}
        assert pool.send(LI, consents.ASK) == 0
        pool.answer(LI, "Y")
        until(lambda: {pool.send(LI, consents.AD) for _ in range(CONNECTIONS)} == {0}, "all workers know the consent", 10)
        assert pool.send(WANG, consents.AD) == consents.MISSING
        pool.answer(LI, "R")
        assert {pool.send(LI, consents.AD) for _ in range(CONNECTIONS)} == {consents.MISSING}
        told = run("consent", "show", "--to", LI, "--json", "--config", pool.config)
        (one,) = json.loads(told.stdout)["consents"]
        assert (one["ended"]["by"], one["reply"]["text"]) == ("opt-out", "Y")
    finally:
        pool.stop()
