"""Rules that are enforced for a share of recipients refuse the same submits, compiled or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples import examples
from tests.needs import needs
from tests.relay.test_at_once import carried, lived, without

SHARES = """
lists: {some: {file: some.csv}}
rules:
  - {id: ban, when: {province: 上海}, mode: shadow, enforce: 30%, then: reject, reason: region-ban}
  - {id: words, when: {text: {words: [六合彩]}}, mode: shadow, enforce: 50%, then: reject, reason: keyword}
  - {id: listed, when: {recipient_in: some}, mode: shadow, enforce: 50%, then: defer, reason: probation}
  - {id: cap, limit: {count: 3, per: day, key: [recipient]}, mode: shadow, enforce: 40%, then: reject, reason: recipient-cap}
  - {id: texts, when: {category: marketing}, limit: {count: 1, per: 1h, key: [recipient, template]}, mode: shadow, enforce: 50%, then: defer, reason: same-content}
  - {id: all, when: {province: 北京}, mode: shadow, enforce: 100%, then: reject, reason: region-ban}
  - {id: spared, exempt: true, when: {recipient_in: some}, skip: [keyword]}
"""


@needs("gcc")
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_thousands_of_people_fare_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> None:
    at_once = carried(tmp_path / "one", shared=shared, rules=SHARES, waiting=SHARES.replace("30%", "60%"))
    without(monkeypatch)
    assert carried(tmp_path / "other", shared=shared, rules=SHARES, waiting=SHARES.replace("30%", "60%")) == at_once


@needs("gcc")
@pytest.mark.parametrize("seed", range(examples(20)))
def test_parts_and_repeats_fare_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    at_once = lived(tmp_path / "one", seed, rules=SHARES)
    without(monkeypatch)
    assert lived(tmp_path / "other", seed, rules=SHARES) == at_once
