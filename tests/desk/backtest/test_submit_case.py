"""Which parts the journal shows as judged together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.desk.backtest.submit_case import in_same_batch
from proxy.model.message import Category
from proxy.model.recipient import Entry

ENTRY = Entry(7, 1_762_833_602, 11, 12, 13, Category.MARKETING, 0, 14, 0, 0)


def part(index: int, entry: Entry | None = ENTRY, reference: int = 5, recipient: int = 13800210000, late: bool = False) -> Any:
    content = SimpleNamespace(part=SimpleNamespace(reference=reference, total=3, index=index))
    sender = SimpleNamespace(provider="jia", port="1069001")
    message = SimpleNamespace(sender=sender, recipient=recipient, content=content)
    return cast("Any", SimpleNamespace(message=message, journalled=SimpleNamespace(entry=entry, late=late)))


def test_parts_in_order_with_one_entry_were_judged_together() -> None:
    assert in_same_batch(part(1), part(3))
    assert in_same_batch(part(1, None), part(2, None)), "or refused together"


@pytest.mark.parametrize(
    "other",
    [
        part(1),
        part(2, reference=6),
        part(2, recipient=13800210001),
        part(2, ENTRY._replace(signature=0)),  # it came late in the same turn, and the text said something else with it
        part(2, None),
        part(2, late=True),
    ],
)
def test_others_were_not(other: Any) -> None:
    assert not in_same_batch(part(1), other)


def test_nor_does_any_follow_one_that_came_late() -> None:
    assert not in_same_batch(part(1, late=True), part(2))
