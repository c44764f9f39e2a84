"""Removes footers and quoted messages from a reply."""

from __future__ import annotations

import re

from proxy.policy.text.lazy_regex import lazy_regex

_DEVICES = (
    "iphone|ipad|小米|红米|华为|荣耀|oppo|vivo|三星|苹果|魅族|安卓|android|手机|qq|微信|网易|foxmail|139|189|一加|真我|realme|mate|"
    "中兴|努比亚|联想|apple"
)
_FOOTERS = tuple(
    lazy_regex(pattern)
    for pattern in (
        r"(?<=\S)\s{0,8}\n\W{0,8}(?:发自|发送自|来自|通过|获取|sent from|sent via|get outlook|from my)[^\n]{0,60}\s{0,8}$",
        rf"(?<=\S)\W{{0,8}}(?:发自|发送自|来自|通过)(?:我的|于)?\s?(?:{_DEVICES})[^\n]{{0,20}}\s{{0,8}}$",
        r"(?<=\S)\W{0,8}(?:sent from|sent via|get outlook for)[^\n]{0,40}\s{0,8}$",
    )
)
"""What a mail program, or a telephone, writes under a reply."""
_FORWARDED = lazy_regex(
    r"^[\W_]{0,4}(?:转发|转|fwd?|re|回复|原文|原短信|引用)?\W{0,4}【[^】\n]{1,20}】[^\n]{8,}$", re.MULTILINE
)
_BEHIND = lazy_regex(
    r"(?<=\S)\s?(?:-{3}|//|原短信|原文[::]|原始短信|>)[^\0]*$|(?<=[^\s【])\s?【[^】]{1,20}】[^\0]{8,}$|^>[^\n]*$", re.MULTILINE
)
_IN_MARKS = lazy_regex('["“「『][^"”」』\n]{0,120}?(?:退订|拒收|取消|接收|unsub)[^"”」』\n]{0,20}["”」』]')
_LETTER = lazy_regex(r"[^\W_]")


def without_footers(folded: str) -> str:
    for footer in _FOOTERS:
        folded = footer.sub("", folded)
    return folded


def own_words(folded: str) -> tuple[str, bool]:
    """What is not quoted, and whether a whole message with its signature was sent back. All of it, where nothing else would be left."""
    own = _FORWARDED.sub("", folded).strip()
    forwarded = own != folded.strip()
    for quoted in (_BEHIND, _IN_MARKS):
        rest = quoted.sub("", own).strip()
        own = rest if _LETTER.search(rest) else own
    return own, forwarded
