"""Opt-out: what a person's reply means (DOMAIN.md §5).

In: the text of a reply. Out: ``optout``, ``restore``, ``review`` or ``none``, with the keyword as it was understood. Never: a match inside a
longer text ("thanks", 订单T123 are no refusals): the whole reply counts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .text import fold

CORE = frozenset("T TD TB TT R N QX 0000 STOP UNSUBSCRIBE CANCEL END QUIT 退订 拒收 取消订阅 退定 TUIDING".split())
BARE = frozenset("A B Q 0 1".split())
"""Count only when that sender's last message declared them."""
PHRASES = frozenset(
    "不要再发 不要再发了 别再发了 别再发 别发了 不要发了 停止发送 请停止发送 不再接收 我要退订 申请退订 请退订 拒绝接收 屏蔽 勿扰 滚".split()
)
RESTORE = frozenset("START UNSTOP 取消退订 恢复订阅 重新订阅".split())
REVIEW = frozenset("不退订 怎么退订 如何退订 退订失败 退订不了 无法退订 为什么退订不了".split())
REPLY_BYTES_MAX = 2_000

_TRIM = re.compile(r"[\s\"'“”‘’「」『』《》<>〈〉()\[\]{}【】.,;:!?。，、；：！？~…·*\-_/|@#+]+")
_WRAP = re.compile(r"^(?:请)?(?:回复|回|发送|复)(.{1,12})$|^(.{1,12}?)(?:退订|拒收)$|^(?:退订|拒收)(?:回复|回)?(.{1,12})$")


class Reply(NamedTuple):
    kind: str  # optout | restore | review | none
    keyword: str  # as it was understood, upper case


def read_reply(text: str, declared: str = "") -> Reply:
    """What a reply says. ``declared`` is the keyword of the sender's last message, which makes any word a refusal."""
    word = _TRIM.sub("", fold(text[:REPLY_BYTES_MAX])).upper()
    if not word:
        return Reply("none", "")
    if word in RESTORE:
        return Reply("restore", word)
    if word in REVIEW:
        return Reply("review", word)
    for candidate in (word, _unwrapped(word)):
        if candidate and (candidate in CORE or candidate in PHRASES or candidate == declared.lstrip("@#")):
            return Reply("optout", candidate)
    return Reply("review", word) if "退订" in word and len(word) <= 12 else Reply("none", word if word in BARE else "")


def _unwrapped(word: str) -> str:
    """回复TD, TD退订 → TD; empty if there is no wrapping."""
    match = _WRAP.match(word)
    return next((part for part in match.groups() if part), "") if match else ""
