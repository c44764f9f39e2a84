"""Tells quickly of which kinds a text may hold handles.

In: a text as handles.py reads it. Out: bits of kinds; a kind whose bit is missing is not looked for. Never: a handle.
"""

from __future__ import annotations

import cython

WECHAT, QQ, NAMES, CODES = 1, 2, 4, 8
"""NAMES: official accounts, mini-programs, Douyin; CODES: Taobao, e-mail."""
_FIRST, _LATIN, _ADD = 16, 32, 64
_ALONE = {"微威薇徽溦葳崴惟唯魏围维卫": WECHAT, "扣叩抠球秋丘求蔻企群裙": QQ, "抖斗陡": NAMES, "淘掏桃令@#¥$€£₤₳₴₰¢": CODES}
_PAIRS = dict.fromkeys("口口 口丶 君羊".split(), QQ) | dict.fromkeys("艾特 爱特 圈a 手淘 手t 复制 (a [a {a <a".split(), CODES)
_PAIRS |= dict.fromkeys(
    "公众 工众 弓众 功众 宫众 攻众 供众 g众 公重 公种 公仲 公中 公z 公号 工重 工种 工仲 工中 工z".split(), NAMES
)
_PAIRS |= dict.fromkeys("订阅 务号 小程 小橙 小城 小呈 o程 o橙 o城 o呈".split(), NAMES)
_PAIRS[" a"] = CODES
_WORDS = dict.fromkeys("wx vx we v号 v信 w信".split(), WECHAT) | dict.fromkeys("qq qu q群 q裙 q扣".split(), QQ)
_WORDS |= dict.fromkeys("do dy d音 gz go xc".split(), NAMES) | dict.fromkeys(("ta", "tb"), CODES)
"""How a group of Latin letters begins."""


def _kinds() -> bytes:
    kinds = bytearray(0x10000)
    for one in "abcdefghijklmnopqrstuvwxyz0123456789":
        kinds[ord(one)] = _LATIN
    for pair in (*_PAIRS, *_WORDS):
        kinds[ord(pair[0])] |= _FIRST
    for many, kind in _ALONE.items():
        for one in many:
            kinds[ord(one)] |= kind
    for one in "加佳嘉家伽架茄十+➕":
        kinds[ord(one)] |= _ADD
    return bytes(kinds)


_TABLE = _kinds()
_kind: cython.p_uchar = _TABLE


@cython.ccall
@cython.boundscheck(False)
@cython.wraparound(False)
def kinds_of_handles(text: str) -> cython.int:
    """The kinds of which it may hold handles."""
    at: cython.Py_ssize_t
    found: cython.int = 0
    kind: cython.int
    before: cython.int = 0
    one: cython.Py_UCS4
    for at, one in enumerate(text):
        kind = _kind[ord(one)] if one <= "\uffff" else 2 if one == "🐧" else 0
        if kind:
            found |= kind & 15
            if kind & 16:
                found |= _PAIRS.get(text[at : at + 2], 0)
            if kind & 32 and not before & 32:
                found |= _begun(text, at, before)
        before = kind
    return found


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _begun(text: str, at: cython.Py_ssize_t, before: cython.int) -> cython.int:
    """The kinds of a group of Latin letters that begins like a word for an app, or is one letter that stands for it."""
    one: cython.Py_UCS4 = text[at]
    is_alone: cython.bint = before & 64 != 0 or at + 1 == len(text) or not "a" <= text[at + 1] <= "z"
    if is_alone and (one == "v" or one == "w"):
        return 1
    if is_alone and one == "q":
        return 2
    return _WORDS.get(text[at : at + 2], 0)
