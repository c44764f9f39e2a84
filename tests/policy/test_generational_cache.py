"""Large dicts and lists are emptied in pieces."""

from __future__ import annotations

from proxy.policy.generational_cache import DROPPED_PIECE, drop_items, dropped


def test_a_dict_is_emptied_in_pieces_with_a_yield_point_after_each() -> None:
    held = dict.fromkeys(range(3 * DROPPED_PIECE + 1))
    left: list[int] = []
    drop_items(held, lambda: left.append(len(held)))
    assert left == [2 * DROPPED_PIECE + 1, DROPPED_PIECE + 1, 1, 0]


def test_a_list_is_emptied_in_pieces_with_a_yield_point_after_each() -> None:
    held = [None] * (2 * DROPPED_PIECE)
    left: list[int] = []
    dropped(held, lambda: left.append(len(held)))
    assert left == [DROPPED_PIECE, 0]
