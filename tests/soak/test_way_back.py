"""A few seconds of what ``make way-back`` does for minutes, and that it can fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.soak.way_back import Astray, Run, deliver_relay


@pytest.mark.timeout(120)
def test_every_receipt_and_reply_arrives_where_it_belongs_though_binds_are_lost(tmp_path: Path) -> None:
    report = deliver_relay(tmp_path, rate=400, seconds=5)
    assert report.accepted > 500
    assert report.replies > 50
    assert report.bind_losses > 0
    assert report.accepted + report.refused + report.unanswered == report.submits


def test_a_receipt_at_the_wrong_door_or_at_none_is_named(tmp_path: Path) -> None:
    async def judged(spoil: str) -> str:
        run = Run(tmp_path, rate=1, seconds=1)
        run.asked["谢谢"] = "p1"
        run.providers["p2" if spoil == "astray" else "p1"].replies["谢谢"] = 2 if spoil == "twice" else 1
        if spoil == "lost":
            run.providers["p1"].replies.clear()
        with pytest.raises(Astray) as astray:
            run._report("gate106_sent_after_optout_total 0.0", 1.0, 0.0)
        return str(astray.value)

    assert "1 replies lost" in asyncio.run(judged("lost"))
    assert "1 replies misrouted" in asyncio.run(judged("astray"))
    assert "1 twice, though nobody was away" in asyncio.run(judged("twice"))
