"""Understands Chinese replies by the roles of their words.

In: a reply in clauses. Out: the strongest demand of its clauses, and whether the reply as a whole makes it doubtful.
Footers and quoted messages are removed before. Never: keywords that messages declared (optout.py), the words themselves (vocabulary.py).

A clause is covered from left to right by the longest words of the vocabulary; each becomes a letter, its role (别再给我发短信了 is nAawsme,
an unknown word is x). Patterns over these letters find what it asks for:

    REFUSAL   names messages, advertising or a subscription: 退订, 别给我发短信了
    CLEAR     is about messages without naming them: 不要再发了, 别来烦我, 停止发送, 再发就投诉, 把我号码删了
    STOP      may be about something else: 停, 取消, 拒绝, 别发了
    DECLINE   wants nothing: 不需要, 没兴趣, 我没订过
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from proxy.policy.replies.vocabulary import ROLE_OF, WORD_MAX
from proxy.policy.text.lazy_regex import lazy_regex

NOTHING, DECLINE, STOP, CLEAR, REFUSAL = range(5)
"""What a clause asks for, from weak to strong."""
BESIDE_KEYWORD_MAX = 40
"""Characters beside a keyword: more are a text in which the keyword stands by chance."""


class ReplyMeaning(NamedTuple):
    """What a reply asks for, and whether that is doubtful."""

    kind: int
    doubtful: bool = False
    """Whether a question, a denial, a complaint that it did not work, or talk of goods stands beside it."""
    keyword: str = ""


_FILL = "[awyeiAVEbfOBtlzTWRHJ]"
"""Who, when, how, politeness, abuse: what may stand inside a demand."""
_EDGE = "[awyeiAVEbfmpWRHJz]"
"""What may stand around a demand that may be about something else."""


def _rules(kind: int, orders: bool, *patterns: str) -> list[tuple[int, bool, re.Pattern[str]]]:
    return [(kind, orders, lazy_regex(pattern)) for pattern in patterns]


_RULES = [
    *_rules(
        REFUSAL, True,
        r"[nNU][^gmQq]{0,14}?[spctj][^Qqs]{0,10}m",  # 别再给我发房产短信了
        rf"m[^gnNUhQq]{{0,10}}[nNU]{_FILL}{{0,6}}[spcj](?!g)",  # 广告短信就不要再发了
        rf"[nNU]{_FILL}{{0,6}}(?:w[ae]?x)?m(?!g)",  # 别短信, 不要广告
        rf"[hnNUd]{_FILL}{{0,6}}t[^gQ]{{0,10}}m",  # 不想再收到你们的短信
        rf"m[^gnhQq]{{0,8}}[hnNU]{_FILL}{{0,5}}t",  # 短信我不想收了
        rf"d[^gQ]{{0,5}}m|m{_FILL}{{0,4}}[dNU](?!R)",  # 没兴趣看短信, 优惠短信不需要
    ),
    *_rules(
        REFUSAL, False,
        r"(?<!g)u(?![ef]{0,2}g|#)",  # 退订
        rf"[kS](?!g){_FILL}{{0,6}}x?[spt]?{_FILL}{{0,4}}[spt]?{_FILL}{{0,3}}m|kE[fxOa]{{0,5}}m",  # 取消短信
        rf"m{_FILL}{{0,6}}[kSr](?!g)|a[wyf]*m[awe]*P",  # 把短信停了
    ),
    *_rules(
        CLEAR, True,
        rf"[nNU]{_FILL}{{0,6}}x{{0,3}}{_FILL}{{0,3}}A{_FILL}{{0,6}}[sp](?![af]{{0,2}}[gx])",  # 不要再发了
        rf"[nNU]{_FILL}{{0,5}}w{_FILL}{{0,3}}s(?![af]{{0,2}}[gx])|[nNU]{_FILL}{{0,5}}s{_FILL}{{0,3}}w(?!x{{0,4}}g)",  # 别给我发
        rf"[nNU]{_FILL}{{0,5}}[Aw]{_FILL}{{0,3}}s[^gGqQR]{{0,6}}O",  # 别再发广州的活动
        rf"[nNU]{_FILL}{{0,6}}p(?!g|x)",  # 别烦我
        rf"[nN]{_FILL}{{0,4}}A{_FILL}{{0,3}}c|[nN]{_FILL}{{0,5}}c{_FILL}{{0,2}}w|A{_FILL}{{0,4}}[nNU]{_FILL}{{0,3}}c",  # 不要再联系
        rf"[OmA]{_FILL}{{0,4}}[nNU]{_FILL}{{0,3}}C(?!f)|[nNU]{_FILL}{{0,4}}A{_FILL}{{0,3}}C(?!f)",
        rf"Wh{_FILL}{{0,4}}[sp](?!g)",
        rf"(?:[hUd]{_FILL}{{0,5}}|[nN]{_FILL}{{0,3}}[Aw]{_FILL}{{0,3}})t[aeiwyf]{{0,5}}$",  # 不想再收到
    ),
    *_rules(REFUSAL, True, r"^[aeiyb]*aw[ai]{0,3}ui?$"),  # 给我退订, whatever was in vain before
    *_rules(
        CLEAR, False,
        r"S(?!g|f?x{2})",  # 停止发送
        rf"r{_FILL}{{0,4}}l|^[^xO]*l{_FILL}{{0,6}}r(?!a{{0,2}}x)|(?:a|^){_FILL}{{0,3}}w[ae]{{0,3}}(?:[ly]a?){{0,3}}r(?!g)|^[aie]*r[ae]?w[aef]*(?:l[aefi]*)?$",  # 把我号码删了
        rf"k{_FILL}{{0,3}}w{_FILL}{{0,2}}l|l[aew]*P|ra?wf{{0,2}}m",  # 删除我的信息
        rf"[nN]{_FILL}{{0,6}}A{_FILL}{{0,6}}j(?!g|x)|[nN]{_FILL}{{0,4}}w[ae]{{0,2}}j|[nN][aA]{{0,2}}j{_FILL}{{0,3}}w",  # 别老惦记我
        rf"k{_FILL}{{0,4}}[sptC](?!g)",
    ),
    *_rules(
        STOP, True,
        r"n[aweyiEbOfVAWR]{0,5}s[aweyifbOVAWszRQ]*(?:q[^gG]*)?$|[NU][aweyiEbOfW]{0,5}s[aweyibWRQ]*$",  # 别发了
    ),
    *_rules(
        STOP, False,
        rf"^{_EDGE}*k(?:{_EDGE}|k)*$",  # 取消
        r"[aw]kk?[eaikW]*$|a[wyi]?P|[iW]P|^[awyei]*P(?:P|e)",  # 脑壳都发昏了给我退了
        rf"^{_EDGE}*r[ei]*$|^[eiEA]*n[aA]{{0,2}}j[ew]*$|W[awyei]*k[eQ]*$|Pw(?:[aei]*$|.?l)",
        rf"i[ay]?h{_FILL}{{0,2}}s(?![^,]{{0,3}}[gx])",  # 请不发我
        r"^[ieKbVAH]*K(?:[eyiK]|(?:We*)?A[jsp])*$|^[waieyf]{0,4}H[fi]*K[eyiwa]*$|^[wi]{0,2}(?:[Je]{0,2}Ke+|JK|ka{0,2}K[ei]*)$",
    ),
    *_rules(
        DECLINE, False,
        rf"^{_EDGE}*(?:d|(?<!f)[NU](?!b))(?:[awyeiAVEbfOmW]|d|N|U)*$",
        r"(?<!x)d[aeiwyfs]*$|D[aeEfO]{0,4}X|[eiEbV][NU]+[ei]*$",
    ),
]  # fmt: skip
"""A pattern with its kind, and whether it tells the sender what not to do: no doubt beside that counts (怎么还发，别再发了)."""
_ENDS_IN_NOT = lazy_regex("(?<=[a-zA-Z])h(?=,|$)")
"""能停一停不: a question, not a refusal."""
_THREATS = lazy_regex(
    r"(?:A|Va?w?)[^,ghD]{0,10}(?:s[^g]{0,12}[ozT]|(?:t|j(?!x))[^g]{1,10}o)(?![ae]{0,2}Q)|A[^,g]{0,6}p[^g]{0,12}[oz]|[hDVn][aweyA]{0,2}[kuS][^,g]{0,4},?[^,g]{0,6}o"
)
"""再发就投诉, 不停就投诉: over several clauses."""
_ASKS_HOW = lazy_regex(r"q[aey]{0,2}t|q[aiey]{0,4}x{0,2}[aiey]{0,3}[kuSr]|[kuSr][ei]{0,2}q|h[^,n]{0,4}t[^,]{0,3}m?,?[^,]{0,5}q")
_IN_VAIN = lazy_regex(
    r"[uKkS][aeyi]{0,3}x{0,3}[^,gn]{0,6},?[ya]{0,3}x{0,3}q?V(?!K|,)|[uK][^,]{0,7}v|u,[aQ]{0,2}v|v[^,]{0,2}[ukS]|J[aeixwyH]{0,4}[ukK]|[kS]e?x?x?e?[^,]{0,3}v"
)
_EXPLAINS = lazy_regex("[xOJjcgGqQY]")
"""Behind a bare 取消 or 不要: what says that it was about something else (不要，太贵)."""
_SURE = lazy_regex("o|(?:[kN],?){3}")
_DENIED = lazy_regex(r"[nhDNU][awyexAi]{0,4}[ukS](?!.{0,6}o)")
_TALKS = lazy_regex(
    r"""
    u(?!g)|S(?!g)|(?<!q)o(?![lq])|b|pw?m|m[^,]{0,2}p|^[aeiw]*p[ew]*$  # 退订, 投诉, 垃圾短信, 烦
    | V[awye]{0,3}[sp]|A[awye]{0,3}[sp](?!x|f|w|aw?(?:,|$))|A[^,]{0,3}p  # 怎么还发, 天天发
    | [nN][^,xgDQ]{0,4}[sp][^xgQ]{0,2}(?:,|$)|[nN][^,gDQ]{0,8}A[^,gQ]{0,4}[sp](?!g)|O[^,]{0,2}[NU]e*(?:,|$)  # 别发, 优惠不要
    | q[^,g]{0,3}[kur](?!g)|[kr][^,g]{0,3}[qv]|(?:^|,)[^,O]{0,8}[kr]e*Q(?:,|$)|B[^g]*[ukKPm]|[ukKP][^g]*B  # 怎么退, 手滑退订了
    | ^[iH]?K[xOf]{1,6}$|K[^,]{0,4}[qvV]|[nN][aey]{0,3}jf+e*(?:,|$)|HK[^,]{0,5}Q|K[^,]{0,5}s  # TD某某店, 回TD有没有用
    | [nNU][ay]{0,2}C[we]*$|xd[ei]*$|[nNU]a{0,2}wa?sx{1,4}f|m[^,g]{0,20}[nNUdb](?![Rr])|[nNUdb][^,g]{0,20}m  # 短信好烦
    | w[^,]{0,2}l[^,]{0,3}q|q[^,]{0,6}w[^,]{0,2}l|y[^,]{0,4}R|whax{2,3}e*(?:,|$)  # 哪里弄到我号码, 我不是张三
    """,
    re.VERBOSE,
)
"""What a person should read."""


def roles_of(clauses: str, is_keyword: Callable[[str], bool]) -> tuple[str, str]:
    """The letters of a reply, and the keyword in it."""
    found: list[str] = []
    keyword, place, length = "", 0, len(clauses)
    while place < length:
        character = clauses[place]
        if character in ", ":
            found.append(character.strip())
            place += 1
            continue
        run = place
        while run < length and clauses[run].isascii() and clauses[run] not in ", ":
            run += 1
        for end in range(min(place + WORD_MAX, length), place, -1):
            role = ROLE_OF.get(clauses[place:end])
            if role is not None and (end >= run or not clauses[end - 1].isascii()):
                found.append(role)
                break
        else:
            end = max(run, place + 1)
            word = clauses[place:end]
            is_key = run > place and is_keyword(word)
            keyword = word if is_key else keyword
            found.append("K" if is_key else "#" if word.isdecimal() and len(word) > 2 else "x")
        place = end
    return "".join(found), keyword


def read_clauses(clauses: str, is_keyword: Callable[[str], bool]) -> ReplyMeaning:
    """The meaning of clauses divided by commas."""
    roles, keyword = roles_of(clauses, is_keyword)
    if len(clauses) - len(keyword) > BESIDE_KEYWORD_MAX:
        roles = roles.replace("K", "x")
    roles = _ENDS_IN_NOT.sub("W", roles)
    beside = _ClauseContext.of(roles)
    roles = roles.replace("G", "g")
    threat = _THREATS.search(roles)
    if threat and not beside.goods:
        return ReplyMeaning(CLEAR)
    found = []
    behind = 0
    for clause in roles.split(","):
        behind += len(clause) + 1
        explained = "K" not in clause and _EXPLAINS.search(roles, behind) is not None and not _SURE.search(roles)
        for kind, orders, pattern in _RULES:
            if (kind >= CLEAR or "g" not in clause) and pattern.search(clause):
                doubtful = beside.makes_doubtful(kind, orders, clause) or (explained and kind < CLEAR and not orders)
                found.append(ReplyMeaning(kind, doubtful, keyword if "K" in clause else ""))
    if found:
        return max(found, key=lambda one: (not one.doubtful, one.kind, bool(one.keyword)))
    return ReplyMeaning(
        NOTHING,
        (threat is not None and "g" not in roles[: threat.end()]) or (not beside.goods and _TALKS.search(roles) is not None),
    )


class _ClauseContext(NamedTuple):
    """What a reply says besides a demand."""

    goods: bool
    few_goods: bool
    """One character of goods only (货, 票): no doubt about what names messages."""
    visit: bool
    how: bool
    doubt: bool

    @classmethod
    def of(cls, roles: str) -> _ClauseContext:
        goods, few_goods = "g" in roles, "G" in roles
        roles = roles.replace("G", "g")
        how = _ASKS_HOW.search(roles) is not None
        doubt = how or "B" in roles or _IN_VAIN.search(roles) is not None or _DENIED.search(roles) is not None
        return cls(goods, few_goods, "Y" in roles, how, doubt)

    def makes_doubtful(self, kind: int, orders: bool, clause: str) -> bool:
        """Whether a demand of this kind may be meant otherwise. An order (别再发了) is one whatever else is asked or complained of."""
        if "Q" in clause and "W" not in clause and not (orders and "n" in clause):
            return True
        if orders:
            is_wish = "n" not in clause and "N" not in clause  # 不想收到短信
            return (kind < CLEAR and self.goods) or (is_wish and (self.how or "q" in clause))
        return self.doubt or self.goods or (kind < REFUSAL and self.few_goods) or (kind < CLEAR and self.visit)


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
