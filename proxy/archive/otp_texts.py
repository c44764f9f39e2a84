"""Tells which texts may be one-time passwords, whatever was declared.

In: a submit's text and its verdict. Out: yes or no. Never: rules and their words (columns.py folds texts with them; a query over tables
need not load them); a "no" where no rule has seen the text.

A text counts as a one-time password if

- it was judged as one, or
- it has a number of 4 to 8 digits near a word for "code", even if its port was declared for something else, or
- it was turned away before any rule saw it: its category is unknown, and a port of passwords is throttled like any other.
"""

import re
import unicodedata

from proxy.model.message import Category
from proxy.model.reasons import GATE_REASONS

HIDDEN_S = 900.0  # for so long the text of a code is hidden from everyone: it may still be valid
JUDGED_BEFORE = frozenset(("late-breach", "no-route", "queue-full"))  # reasons after the rules: the category is known
_WORD = "码|碼|口令|code|password|otp"
_NUMBER = r"(?<![0-9*])[0-9*]{4,8}(?![0-9*])"
_NEAR = re.compile(rf"(?:{_WORD})[^0-9*]{{0,20}}{_NUMBER}|{_NUMBER}[^0-9*]{{0,20}}(?:{_WORD})")  # stars: digits masked before
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")


def unjudged(category: str, reason: str, *, objected: bool) -> bool:
    """Whether a submit was turned away before any rule saw it; ``objected``: some rule did see it."""
    return category == Category.MARKETING.word and not objected and reason in GATE_REASONS and reason not in JUDGED_BEFORE


def may_be_code(text: str) -> bool:
    """By the text alone; its digits may be masked already."""
    return _NEAR.search(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).lower()) is not None


def is_code(category: str, reason: str, text: str, *, objected: bool) -> bool:
    """Whether a submit's text is shown as a code's."""
    return category == Category.OTP.word or unjudged(category, reason, objected=objected) or may_be_code(text)
