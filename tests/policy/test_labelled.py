"""How well the category is told, on texts a person has labelled."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from proxy.message import Category
from tests.policy.labelled import TEXTS, labelled

FROZEN = "ca84651a331f95d4918edbc3d11f2b40df059a20460d6573baeb1d4eb4c0fc37"


def test_the_frozen_texts_are_those_that_were_frozen_before_the_lexicon_was_made() -> None:
    assert sha256((TEXTS / "frozen.tsv").read_bytes()).hexdigest() == FROZEN


def test_there_are_enough_texts_of_each_category_and_none_is_in_both_files() -> None:
    develop, frozen = labelled("develop"), labelled("frozen")
    assert len({one.text for one in develop} | {one.text for one in frozen}) == len(develop) + len(frozen) >= 400
    counts = Counter(one.category for one in develop + frozen)
    assert all(counts[category] >= 100 for category in Category), counts
