"""Names the sender that a refusal covers, in English and Chinese.

In: a refusal; a look-up of a signature by its hash. Out: words for people, fields for programs. Never: a journal, a file, a hash where a
name is known.

| known of the signature | shown |
|---|---|
| its row in the registry | ``甲公司【甲店】`` |
| how a message had it | ``【甲店】 (not registered)`` |
| nothing | ``signature unknown (696592fe4ca2): its message is no longer in the journal`` |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from proxy.i18n.phrases import Bilingual, term
from proxy.model.message import hash48
from proxy.model.recipient import OptOut
from proxy.model.redact import mask_numbers, printable
from proxy.policy.registries.registry import HASH, Registry
from proxy.policy.text.folding import normal_signature

GONE = Bilingual("its message is no longer in the journal", "该短信已不在保存的日志里")
NOT_ASKED = Bilingual("the journal was not searched", "没有查找日志")
UNREADABLE = Bilingual("the journal cannot be read here", "这里读不了日志")
NAMED_SCOPES = ("advertiser", "signature")
"""Scopes whose value may be a hash."""
WRITTEN_MAX = 64
"""Characters of a signature that are shown: blanks in it do not count as its length."""
_WRITTEN = re.compile(r"【([^【】]{1,200})】")
_IN_STATE = re.compile(r"\b(advertiser|signature) ([0-9a-f]{12})\b")


class KnownSignature(NamedTuple):
    """What is known of a signature."""

    advertiser: str = ""  # as registered
    signature: str = ""  # as written
    why: Bilingual = GONE
    """Why neither is known."""


LookUp = Callable[[int], KnownSignature]
"""By a signature's hash48."""


def knows_none(why: Bilingual) -> LookUp:
    """Knows no signature."""
    return lambda _: KnownSignature(why=why)


def by_registry(registry: Registry, otherwise: LookUp) -> LookUp:
    """The registry first."""

    def known(number: int) -> KnownSignature:
        row = registry.row_of(number)
        return otherwise(number) if row is None else KnownSignature(row.advertiser, row.signature)

    return known


def by_names(names: Mapping[int, str], otherwise: LookUp) -> LookUp:
    """Signatures as messages had them, by hash."""
    return lambda number: KnownSignature(signature=names[number]) if number in names else otherwise(number)


def names_in(refusals: Iterable[OptOut]) -> dict[int, str]:
    """Signatures that refusals name themselves: as an imported list or an officer wrote them."""
    named = (one.value for one in refusals if one.scope in NAMED_SCOPES and not HASH.fullmatch(one.value))
    return {hash48(normal_signature(name)): name for name in named}


def signature_written(name: str, text: str) -> str:
    """The signature of a text as it stands there; ``name``, as it is looked up, where the text does not have it (digits of a code are
    masked, too)."""
    found = next((one for one in _WRITTEN.findall(text) if normal_signature(one) == name), name)
    return mask_numbers(printable(found)).strip()[:WRITTEN_MAX]


def sender_words(number: int, look_up: LookUp) -> Bilingual:
    """The sender behind a signature."""
    known = look_up(number)
    if known.advertiser:
        return Bilingual(_full(known), _full(known))
    if known.signature:
        return Bilingual(f"【{known.signature}】 (not registered)", f"【{known.signature}】（未报备）")
    return _unknown(number, known)


def is_erasure(refusal: OptOut) -> bool:
    """Whether an erased recipient gets no marketing by it: of them no date is kept (state/lists/suppression_lists.py)."""
    return refusal.scope == "all" and refusal.source == "officer" and not refusal.time


def about(refusal: OptOut, look_up: LookUp) -> Bilingual:
    """What a refusal covers."""
    scope, value = refusal.scope, refusal.value
    if is_erasure(refusal):
        return Bilingual("all marketing: their data was erased at their request", "全部营销：已按本人要求删除资料")
    if scope in ("all", "global"):
        return Bilingual("all marketing", "全部营销")
    if scope == "category":
        return Bilingual(f"all {value}", f"全部{term(value).zh}")
    kind = term(scope).zh
    if scope not in NAMED_SCOPES:
        return Bilingual(f"{scope} {value}", f"{kind} {value}")
    known = _known(refusal, look_up)
    if not known.advertiser and not known.signature:
        unknown = _unknown(int(value, 16), known)
        return Bilingual(f"{scope}, {unknown}", f"{kind}，{unknown.zh}")
    if scope == "signature":
        of = Bilingual(f" of {known.advertiser}", f"（{known.advertiser}）") if known.advertiser else Bilingual("", "")
        return Bilingual(f"signature 【{known.signature}】{of}", f"签名【{known.signature}】{of.zh}")
    if known.advertiser:
        return Bilingual(f"advertiser {_full(known)}", f"广告主 {_full(known)}")
    shown = sender_words(int(value, 16), lambda _: known)
    return Bilingual(f"advertiser {shown}", f"广告主{shown.zh}")


def fields(refusal: OptOut, look_up: LookUp) -> dict[str, str]:
    """The same for programs, beside ``value``: empty strings where nothing is known."""
    known = _known(refusal, look_up) if refusal.scope in NAMED_SCOPES else KnownSignature()
    words = about(refusal, look_up)
    return {"advertiser": known.advertiser, "signature": known.signature, "about": str(words), "about_zh": words.zh}


def names(refusal: OptOut, name: str, registry: Registry) -> bool:
    """Whether a name means this refusal: its value, the signature behind a hash, or the registered advertiser."""
    if refusal.value == name:
        return True
    if refusal.scope not in NAMED_SCOPES or not HASH.fullmatch(refusal.value):
        return False
    number = int(refusal.value, 16)
    return number == hash48(normal_signature(name.strip("【】"))) or registry.advertiser_of(number) == name


def nameless(row: Mapping[str, str]) -> bool:
    """Whether a row with such fields (of a refusal, or of a sender) says no more than a hash."""
    number = row.get("value", row["advertiser"])
    if row.get("scope", "advertiser") not in NAMED_SCOPES or row["signature"] or row["advertiser"] not in ("", number):
        return False
    return HASH.fullmatch(number) is not None


def has_hash(state: str) -> bool:
    """Whether ``in_state`` would look a signature up."""
    return _IN_STATE.search(state) is not None


def in_state(state: str, look_up: LookUp) -> Bilingual:
    """The state of a row of the archive (``+advertiser 696592fe4ca2; -port 1069``), with names."""

    def words(match: re.Match[str]) -> Bilingual:
        return about(OptOut(match[1], match[2], 0, "", 0), look_up)

    return Bilingual(_IN_STATE.sub(lambda one: str(words(one)), state), _IN_STATE.sub(lambda one: words(one).zh, state))


def _known(refusal: OptOut, look_up: LookUp) -> KnownSignature:
    value = refusal.value
    if HASH.fullmatch(value):
        return look_up(int(value, 16))
    if refusal.scope == "advertiser":
        return KnownSignature(value)
    return KnownSignature(look_up(hash48(normal_signature(value))).advertiser, value)


def _full(known: KnownSignature) -> str:
    return known.advertiser + (f"【{known.signature}】" if known.signature else "")


def _unknown(number: int, known: KnownSignature) -> Bilingual:
    return Bilingual(f"signature unknown ({number:012x}): {known.why}", f"签名未知（{number:012x}）：{known.why.zh}")
