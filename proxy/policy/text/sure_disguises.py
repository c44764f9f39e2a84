"""Tells which disguised numbers and domains surely are contacts.

In: a folded text (folding.py). Out: telephone numbers and domains that people would read out of it, with their places. Never: what may be one
(disguised.py looks for known contacts and may guess; here a false contact is a refused message).

    138.1234.5678, 138/1234/5678, 1380-013-8000     groups as people make them, one mark between all of them
    1 3 8 1 2 3 4 5 6 7 8, 1.3.8.…                  one digit a group
    一三八一二三四…, 138一二三四5678, I38OOI38OOO    other digits; letters for digits where nearly no other letters could stand
    abc。com, abc点com, t . cn, q i n g h e . com    a known ending behind another dot, or behind spaces

No contact: dates, prices, versions, addresses of machines, and numbers called an order, a card, a code (``is_named_otherwise``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.policy.text.disguised import LONG, NUMERALS, READ, SHORT, DigitRun
from proxy.policy.text.lazy_regex import lazy_regex

Span = tuple[int, int]
_GROUPS = {
    "1": "344 38 74 434 335 56 65 353 3233 3224 3323 3422 1244".split(),
    "0": "344 38 48 47 444 434 37 334".split(),
    "4": "334 343 433 37 46 3322".split(),
}
"""How many digits stand together, by the first digit: mobiles, landlines, 400 and 800."""
_GROUPS["8"] = _GROUPS["4"]
_GAP_LONGEST = 3
_BRACKETS = str.maketrans("", "", "\"'“”‘’()[]【】「」《》<>{}")
"""They may stand around a group of digits, whatever parts the others."""
_AROUND = 2
"""Digits of another group so near are part of the same, longer number."""
_DIGITS = frozenset("0123456789")
_NAMED = lazy_regex(
    r"(?:单号?|订单|运单|快递|物流|包裹|流水|读数|示数|底数|[止起]码|工单|排队|座位|房间|身份证|合同|口令|密钥|序列|编[号码]|版本|[金余总]额|¥|\$"
    r"|[^0-9a-z\s话机线系讯服同信众音群扣打新此本换的]号|(?<!号)码|(?<![a-z])(?:sn|no|id|imei|ver|version|v)\.?)"
    r"(?:号码?|码)?(?:为|是|[:#\s\"“(\[【]){0,3}\Z"
)
"""Right before a number it says that it is no telephone's …"""
_CALLED = lazy_regex(
    r"[^0-9a-z\u3400-\u9fff]{0,2}(?:联系|拨打|咨询|致电|电话|来电|电联|微信|v信|vx|wx|同[号微v]|加[我微薇v]|找我|热线)"
)
"""… unless this stands right behind it."""
_UNIT = lazy_regex(
    r"\s?(?:元|块|万|亿|%|吨|股|米|公里|公斤|斤|克|升|平|㎡|美元|积?分(?!机)|步|度|件|人|次|户|票|字|瓶|箱|小时|毫安|号楼|室|(?:k[wbmg]h?|m[bm]|gb|mah|hz)(?![a-z]))"
)
_BEFORE_NAMED = 12
_CHINA = lazy_regex(r"(?<![0-9])(?:\+|00|\()?86\)?[ .\-]{0,2}\Z")
_FEW_LETTERS = frozenset("oil")


def is_named_otherwise(folded: str, start: int, end: int) -> bool:
    """Whether the text calls a number an order, a card, a code, an amount."""
    named = _NAMED.search(folded, max(0, start - _BEFORE_NAMED), start) is not None
    return (named and _CALLED.match(folded, end) is None) or _UNIT.match(folded, end) is not None


def sure_numbers(folded: str, candidates: Iterable[DigitRun]) -> Iterator[DigitRun]:
    """Those of the candidates that are telephone numbers whoever reads them."""
    for one in candidates:
        is_number = one.is_number and (LONG.fullmatch(one.digits) or SHORT.fullmatch(one.digits))
        if is_number and _is_sure(folded, *one.span) and not is_named_otherwise(folded, *one.span):
            yield one


def _is_sure(folded: str, start: int, end: int) -> bool:
    groups, gaps = _cut(folded[start:end])
    if (_goes_on(folded, start, -1) and _CHINA.search(folded, max(0, start - 8), start) is None) or _goes_on(folded, end, 1):
        return False
    digits = sum(map(len, groups))
    letters = [one for one in folded[start:end] if "a" <= one <= "z"]
    if letters and not _may_have_letters(folded, start, end, letters, digits):
        return False
    if not gaps:
        return digits >= 10 or not letters
    marks = {gap.translate(_BRACKETS).strip() or " " for gap in gaps}
    if len(marks) > 1:
        marks -= {" "}
    if any(len(gap) > _GAP_LONGEST for gap in gaps) or len(marks) > (1 if len(groups) != digits else 3):
        return False
    if len(groups) == digits:
        return digits >= 10 or all(one in NUMERALS for one in groups) or gaps[0].isspace()
    shape = "".join(str(len(one)) for one in groups)
    if digits == 11 and len(groups) > 4 and marks.isdisjoint(",、;:/") and max(map(len, groups)) <= 4:
        return True
    return digits >= 10 and (
        shape in _GROUPS.get("".join(groups).translate(READ)[0], ()) or _DIGITS.isdisjoint("".join(groups))
    )


def _cut(written: str) -> tuple[list[str], list[str]]:
    """Groups of digits, whatever their script, and the gaps between them."""
    groups, gaps, gap = [""], [], ""
    for one in written:
        if READ[ord(one)] == " ":
            gap += one
            continue
        if gap:
            gaps.append(gap)
            groups.append("")
            gap = ""
        groups[-1] += one
    return groups, gaps


def _goes_on(folded: str, place: int, step: int) -> bool:
    """Whether another digit stands near, without letters between."""
    for away in range(_AROUND):
        at = place + step * away - (step < 0)
        if not 0 <= at < len(folded):
            return False
        one = folded[at]
        if one in _DIGITS:
            return True
        if READ[ord(one)] != " " or one in "/\n;,、。!或":
            return False
    return False


def _may_have_letters(folded: str, start: int, end: int, letters: list[str], digits: int) -> bool:
    """Whether letters stand for digits: no other Latin letter is near, and most are digits."""
    before, behind = folded[start - 1 : start], folded[end : end + 1]
    if any("a" <= one <= "z" or one in "./@-_" for one in (before, behind) if one):
        return False
    return digits - len(letters) >= (4 if _FEW_LETTERS.issuperset(letters) else 7)


# --- domains

ENDINGS = "com|cn|net|org|cc|gov|edu|xyz|biz|ltd|wang|ren|icu|info|io|pw|tk|ml|cf|gq|hk|tw|example"
_WORDS = (
    "top|vip|shop|club|site|online|live|life|work|fun|tech|store|app|pro|one|world|today|red|pub|me|tv|co|mobi|link|group|win|ink|kim|love"
    "|zone|team|center|cool|run|la|so|im|us|in|ly"
)
"""Endings that are words, too."""
DOT = (
    r"(?:\s{0,2}(?:\.{1,2}|[。·•・‧∙⋅,、●○◦⚫⚪🔴丶]|[^\w\s.@:/]{1,2}[.。][^\w\s.@:/]{1,2}|[(\[{<【〔_](?:小?点儿?|dot|\.|。)[)\]}>】〕_]"
    r"|小?点儿?|圆点|句号|(?<![a-z])dot(?![a-z])|dot(?=(?:com|cn|net|org|info|top|xyz|vip|cc)(?![a-z])))\s{0,2})"
)
"""What people write for the dot of a domain."""
_SPELT = r"(?:[0-9a-z][ \-_*|~+]{1,2}){2,40}[0-9a-z](?![0-9a-z])"
_LABEL = rf"(?:{_SPELT}|[0-9a-z][0-9a-z\-]{{0,62}})"
_SPELT_ENDING = "|".join(r"[ \-_*|~+]{0,2}".join(one) for one in ("com", "cn", "net", "example"))
_NAME = lazy_regex(
    rf"(?<![0-9a-z@.\-_])((?:{_LABEL}{DOT}){{1,4}})({ENDINGS}|{_WORDS}|{_SPELT_ENDING})(?![0-9a-z@])(?!{DOT}(?:{ENDINGS})(?![a-z]))"
)
_DOT = lazy_regex(DOT)
_HAS_ENDING = lazy_regex(rf"(?<![0-9a-z])(?:{ENDINGS}|{_WORDS}|{_SPELT_ENDING})(?![0-9a-z])")
_MARKS = str.maketrans("", "", " -_*|~+")
_SURE_ENDINGS = frozenset(ENDINGS.split("|"))
_STRONG = frozenset(("com", "cn", "net", "org", "cc", "example"))
_PATH = lazy_regex(r"\s?/[0-9a-z]")
_ENGLISH = lazy_regex(r"[ ,]+[a-z]{2}")


class SureDomain(NamedTuple):
    name: str
    span: Span


def may_be_glued(folded: str) -> bool:
    """Whether what stands for a dot may look like a letter of a name."""
    return "dot" in folded or "丶" in folded


def sure_domains(folded: str) -> Iterator[SureDomain]:
    """Domains with another dot, or with gaps; those in their usual form are none of these."""
    if _HAS_ENDING.search(folded) is None and "dot" not in folded:
        return
    for match in _NAME.finditer(folded):
        joints = _DOT.findall(match[0])
        if all(one == "." for one in joints) and " " not in match[0]:
            continue
        ending = match[2].translate(_MARKS)
        labels = [_label(one) for one in _DOT.split(match[0])[:-1]]
        if _is_domain(folded, match.end(), labels, joints, ending):
            yield SureDomain(".".join((*labels, ending)), match.span())


def _label(written: str) -> str:
    """Without what stands between its letters; a hyphen of its own stays."""
    has_own_marks = " " not in written and len(written) > 2 * written.count("-") + 1
    return written if has_own_marks else written.translate(_MARKS)


def _is_domain(folded: str, end: int, labels: list[str], joints: list[str], ending: str) -> bool:
    if not all(labels) or any(".." in one for one in joints):
        return False
    name, joint = labels[-1], joints[-1]
    has_path = _PATH.match(folded, end) is not None
    if ending == "cn" and name in ("com", "net", "org", "gov", "edu") and len(labels) > 1:
        name, joint = labels[-2], joints[-2]
    if name.isdecimal() and not has_path and (ending not in _STRONG or " " in joint):  # 8点vip, 15. cn
        return False
    mark = joint.strip()
    if mark == "." and joint != ".":  # a sentence may end there
        if joint[0] == ".":
            return ending in _STRONG and (has_path or _ENGLISH.match(folded, end) is None)
        return ending in _SURE_ENDINGS or has_path
    if len(mark) == 1 and mark not in "点.":
        if ending in _STRONG or has_path:
            return True
        return mark not in ",、" and (
            ending in _SURE_ENDINGS or (len(name) > 3 and not "\u3400" <= folded[end : end + 1] <= "\u9fff")
        )
    if mark == ".":
        return True
    return (len(name) > 1 or has_path or ending in _STRONG) and (ending in _SURE_ENDINGS or has_path or len(name) > 2)
