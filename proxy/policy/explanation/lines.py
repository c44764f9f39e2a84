"""Prints an explanation as terminal lines, in Chinese or English.

In: an Explanation. Out: text without control characters. Never: a word that explain.py did not say; an unmasked number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from proxy.i18n.labels import REASONS, reason_in_chinese
from proxy.i18n.phrases import WORDS, Bilingual, in_language
from proxy.model.redact import printable
from proxy.policy.explanation.explain import WITHOUT_RECORD, Explanation, RulePart
from proxy.policy.text.category import LIKELY, PADDED, SURELY, band_of
from proxy.policy.text.category_evidence import Feature
from proxy.policy.text.otp_codes import MOST

FEATURES = {
    "ad": "营销用语", "price": "价格", "call": "行动号召", "topic": "话题", "notice": "通知用语", "otp": "验证码用语", "warning": "防诈提示",
    "consent": "征求同意", "none": "中性词", "link": "链接", "opt-out": "退订方式", "evasion": "伪装写法",
    "beside-code": "验证码之外的内容", "code": "验证码常用词",
}  # fmt: skip
"""Kinds of features in Chinese."""
LABEL_WIDE = 14


def as_text(explanation: Explanation, language: str = "en") -> str:
    """``language``: one of spoken.LANGUAGES."""
    lines = _chinese(explanation) if language == "zh" else _english(explanation)
    note = () if explanation.with_record else (f"  {in_language(WITHOUT_RECORD, language)}",)
    return "\n".join(printable(line) for line in (*lines, *note, *_parts(explanation, language)))


def _english(explanation: Explanation) -> Iterator[str]:
    found, classified = explanation.as_dict(), explanation.evidence.classified
    head = found["verdict"] + (f" ({found['reason']}, by rule {found['rule']})" if found["reason"] else "")
    yield f"{explanation.recipient}: {head}" + (f", not before {found['not_before']}" if found["not_before"] else "")
    yield f"  region    {explanation.province} {explanation.city}"
    yield f"  category  {found['category']} (declared {found['declared']}, the text says {found['classified']})"
    of = f" of {explanation.advertiser}" if explanation.advertiser else ""
    yield f"  text      signature {found['signature'] or 'none'}{of}, opt-out keyword {found['keyword'] or 'none'}"
    if explanation.industry:
        yield f"  industry  {explanation.industry}: the text leaves its sub-category open"
    if (explanation.filing, explanation.licence) != ("none", "none"):
        yield f"  filing    {explanation.filing} for this carrier and province; licences of the advertiser: {explanation.licence}"
    yield f"  marketing {band_of(classified.band)} (score {classified.score}; likely from {LIKELY}, surely from {SURELY})"
    if classified.band.endswith(PADDED):
        yield f"  code      says more than codes do: declared one, it counts as marketing (at most {MOST} points)"
    yield from (f"  found     {feature}" for feature in explanation.features)


def _chinese(explanation: Explanation) -> Iterator[str]:
    found, classified = explanation.as_dict(), explanation.evidence.classified
    head = _zh(found["verdict"]) + (
        f"（{REASONS.get(found['reason'], found['reason'])}，规则：{titled(found['rule'] or '', explanation)}）"
        if found["reason"]
        else ""
    )
    yield f"{explanation.recipient}：{head}" + (f"，{found['not_before']} 之前不行" if found["not_before"] else "")
    yield f"  归属地    {' '.join(dict.fromkeys((_zh(explanation.province), _zh(explanation.city))))}"
    yield f"  类别      {_zh(found['category'])}（申报{_zh(found['declared'])}，内容判定{_zh(found['classified'])}）"
    of = f"（广告主 {explanation.advertiser}）" if explanation.advertiser else ""
    yield f"  文本      签名 {found['signature'] or '无'}{of}，退订关键字 {found['keyword'] or '无'}"
    if explanation.industry:
        yield f"  行业      {_zh(explanation.industry)}：内容看不出细分类别，按广告主的行业算"
    if (explanation.filing, explanation.licence) != ("none", "none"):
        yield f"  报备      在该运营商、省份{_zh(explanation.filing)}；广告主资质{_zh(explanation.licence)}"
    yield f"  营销判定  {_zh(band_of(classified.band))}（得分 {classified.score}；{LIKELY} 分起很可能，{SURELY} 分起肯定）"
    if classified.band.endswith(PADDED):
        yield f"  验证码    夹带了别的内容：申报为验证码的，按营销处理（最多 {MOST} 分）"
    yield from (f"  依据      {_feature(feature)}" for feature in explanation.features)


def _feature(feature: Feature) -> str:
    of = f"（{_zh(feature.subcategory)}）" if feature.subcategory else ""
    place = f"，第 {feature.at + 1} 字" if feature.at >= 0 else ""
    return f"{FEATURES.get(feature.kind, feature.kind)} {feature.weight}{of}：{feature.shown}{place}"


def _parts(explanation: Explanation, language: str) -> Iterator[str]:
    """Rules that object first."""
    for part in sorted(explanation.parts, key=lambda part: not part.change):
        told = f"{part.rule}: {part.why}" if language == "en" else f"{_title(part)} | {in_language(part.why, language)}"
        yield f"  {_padded(in_language(part.says, language))} {told}"
        if part.change:
            yield f"  {' ' * LABEL_WIDE} {in_language(PASSES, language)}{in_language(part.change, language)}"


def _title(part: RulePart) -> str:
    """A rule by its title, as pages show it; its id where it has none."""
    return reason_in_chinese(part.say) or part.rule


def titled(rule: str, explanation: Explanation | None) -> str:
    """The title of one of the rules that were explained; its id where it is none of them."""
    return next((_title(part) for part in explanation.parts if part.rule == rule), rule) if explanation else rule


PASSES = Bilingual("to pass: ", "要通过：")


def _zh(word: str) -> str:
    return WORDS.get(word, word)


def _padded(label: str) -> str:
    wide = sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in label)
    return label + " " * max(0, LABEL_WIDE - wide)
