"""Recognises replies that consent, by words the request declares.

In: the text of a request or of a reply. Out: a set of words as a code of five bits (an entry has room for it); a word of the closed list.
Never: a record; a word that the request also declares as a refusal.

    同意请回Y · 愿意回复1 · 确认接收请回是      a word of agreement, then the word to reply, within one sentence
    回复Y确认 · 回复“愿意”即可订阅               the word to reply, then a word of agreement, or one that says it by itself
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.model.message import hash16
from proxy.model.recipient import CONSENT_REQUEST, Entry
from proxy.policy.text.folding import fold
from proxy.policy.text.lazy_regex import lazy_regex

WORDS = ("同意", "愿意", "确认", "YES", "TY", "YY", "OK", "Y", "是", "1")
DECLARED: tuple[frozenset[str], ...] = tuple(
    frozenset(words.split())
    for words in (
        "", "同意", "Y", "是", "1", "YES", "TY", "YY", "OK", "愿意", "确认",
        "同意 Y", "同意 是", "同意 1", "同意 YES", "同意 TY", "同意 OK", "同意 愿意", "同意 确认",
        "Y YES", "Y 是", "Y 1", "是 1", "Y OK", "愿意 1", "愿意 Y", "同意 Y YES", "同意 Y 是", "同意 Y 1", "同意 是 1", "Y 是 1",
        "同意 Y 是 1",
    )
)  # fmt: skip
"""What requests declare, by the code an entry stores: only append, at most 32. A set that is not here is stored as the largest of its parts
that is."""
CODES = {words: code for code, words in enumerate(DECLARED)}
REPLY_CHARACTERS_MAX = 20
"""A longer reply is more than a word, and a person may have meant something else."""

_AGREES = "(?:同意|愿意|授权|确认|接受|订阅|接收|想收到|想继续收到)"
_REPLY = "(?:回复|回覆|答复|发送|编辑|回|复)"
_WORD = "(?:" + "|".join(WORDS) + ")"
_ENDS = "(?![0-9a-z元折否不])"
_NOT = "(?:不|拒|退|勿|取消|停|否则|未)"
_BETWEEN = rf"(?:(?!{_NOT})[^。!?]){{0,40}}?"
_QUOTE = "[\"“”'‘’「」『』【】()\\[\\]:]?"
_WORD_IN = rf"{_QUOTE}({_WORD}(?:{_QUOTE}(?:或者?|/|、){_QUOTE}{_WORD})*){_ENDS}{_QUOTE}"
_BEFORE = lazy_regex(rf"(?<![不未已]){_AGREES}{_BETWEEN}{_REPLY}(?:短信|数字|字母|大写|文字)?{_WORD_IN}", re.IGNORECASE)
_BEHIND = lazy_regex(rf"{_REPLY}{_WORD_IN}(?:即可?|就|以|来|为|表示|视为|,)*{_AGREES}", re.IGNORECASE)
_ITSELF = lazy_regex(rf"{_REPLY}{_QUOTE}(同意|愿意)(?!{_NOT}|与否)", re.IGNORECASE)
_EACH = lazy_regex(_WORD, re.IGNORECASE)
_REFUSES = lazy_regex(
    rf"(?:不同意|不愿意?|不接受|拒收|拒绝|退订|取消)(?:(?!同意|愿意|确认)[^。!?]){{0,12}}?{_REPLY}{_WORD_IN}|{_REPLY}{_WORD_IN}(?:即可?|就|以|来|为|表示)*(?:不|拒|退订|取消)",
    re.IGNORECASE,
)
_SIGNS = lazy_regex(r"[^\w]|_")
_SAID = lazy_regex(rf"(?:我|本人)?(?:(?:请)?(?:回复|回))?({_WORD})(?:接收|接受|的)?")


def declared_words(text: str) -> int:
    """The code of the words that a request's text declares as consent; 0 if it declares none."""
    folded = "".join(fold(text).split()).replace("，", ",").replace("；", ";").replace("！", "!").replace("？", "?")
    words = {word for pattern in (_BEFORE, _BEHIND, _ITSELF) for word in _found(pattern, folded)}
    return code_of(frozenset(words - set(_found(_REFUSES, folded))))


def _found(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        for group in match.groups():
            yield from (word.upper() for word in _EACH.findall(group or ""))


def code_of(words: frozenset[str]) -> int:
    """The code of the largest set of DECLARED in these words, of equals the first."""
    return max((code for known, code in CODES.items() if known <= words), key=lambda code: (len(DECLARED[code]), -code))


def agreed(text: str) -> str:
    """The word of consent that a reply is, in upper case; empty if it is something else."""
    if len(text) > REPLY_CHARACTERS_MAX:
        return ""
    match = _SAID.fullmatch(_SIGNS.sub("", fold(text)).upper())
    return match[1] if match is not None else ""


def consent_answer(text: str, newest: Entry | None) -> str:
    """The word by which a reply consents to the newest message from the port it came to; empty if it does not: that message is no registered
    consent request, does not declare the word, or declares it as its opt-out keyword."""
    if newest is None or not newest.consent or newest.subcategory != CONSENT_REQUEST:
        return ""
    word = agreed(text)
    return word if word in DECLARED[newest.consent] and hash16(word) != newest.keyword else ""
