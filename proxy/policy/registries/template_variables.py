"""Reads the variables of templates, and checks values against their types.

In: a variable as the filing writes it (``{code:4-8 digits}``); a value, folded and without spaces. Out: a Variable; whether
the value fits; what a fitting value is, in words. Never: whose a telephone number is, or a contact in a value (template_text.py).

    {code:4-8 digits}  {code:4-8}   digits; letters and digits           {minutes}   a number of minutes
    {date} {time} {datetime}        a day; a time of day; either, both   {money}     an amount
    {phone}                         a telephone number, or a masked one  {order}     an order's or a parcel's number
    {name:≤8}                       a name: no digits                    {text:≤20}  anything, where the filing allows text
    {x}  {x:8}  {code}  {code:8}    no type: at most 20 characters, or 8

``N``, ``≤N``, ``A-B`` say how long a value may be; ``digits`` behind them makes any variable one of digits (``6 digits``: exactly six).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.i18n.phrases import Bilingual
from proxy.policy.text.disguised import NUMERALS
from proxy.policy.text.lazy_regex import lazy_regex

LETTERS_MAX, LETTERS_LONGEST = 20, 200
"""Characters of a variable: where nothing is said, and at most."""
TYPED_LONGEST = 64
"""Characters of a code, an order number, a date …: each beginning is tried with each end."""
NUMBER_DIGITS_MAX = 8
"""A longer run of digits may be a telephone number."""
NUMERALS_MAX = 4
"""Of a name, such as 万三; more of them spell a telephone number."""

VARIABLE = re.compile(r"\{([^{}:：]*)(?:[:：]([^{}]*))?\}")
_ASCII_NAME = "[A-Za-z_][A-Za-z0-9_]{0,19}"
PLACEHOLDER = (
    rf"(?<!\d)%(?:[0-9]\$)?[sd](?![A-Za-z])|(?<!\d)%{_ASCII_NAME}%|@[A-Za-z0-9_]{{1,20}}@|\${_ASCII_NAME}\$?"
    r"|[【\[(（<《%*@$#]\s*(?:变量|参数)(?:内容|名称?|[0-9A-Za-z一二三四五六七八九十]{0,2})\s*[】\])）>》%*@$#]"
    + "".join(rf"|(?<![0-9A-Za-z{one}])[{one}]{{2,}}(?![0-9A-Za-z{one}])" for one in ("*＊", "xX×", "_＿", "□○●"))
)
"""What surely stands for a variable elsewhere, beside what has braces: %s, 【变量】, **先生, 验证码XXXX."""
_MARKED = r"[$#]\{[^{}]*\}|\{\{[^{}]*\}\}|#[A-Za-z_\u4e00-\u9fff]\w{0,19}#"
_OF_CLOUDS = lazy_regex(_MARKED)
_LOOKS_VARIABLE = lazy_regex(
    rf"{PLACEHOLDER}|[*＊_＿□○●]{{2,}}|\[{_ASCII_NAME}\]|<{_ASCII_NAME}>|(?<![A-Za-z])[xX](?=[年月日时点分元号])"
)
_LENGTH = re.compile(
    r"(?:(?P<to>≤|<=)?\s*(?P<one>[0-9]{1,3})|(?P<least>[0-9]{1,3})\s*[-~–至]\s*(?P<most>[0-9]{1,3}))?\s*(?P<digits>digits?|位数字|数字)?"
)

# --- values: folded, without spaces

_YEAR, _MONTH, _DAY = "(?:19|20)[0-9]{2}", "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|[12][0-9]|3[01])"
_CHINESE = "[一二三四五六七八九十廿两]{1,3}"
_WEEKDAY = "(?:本|这|下|上)?(?:周|星期|礼拜)[一二三四五六日天末]"
_ONE_DAY = (
    f"(?:(?:{_YEAR}|[0-9]{{2}})(?:-{_MONTH}-{_DAY}|/{_MONTH}/{_DAY}|\\.{_MONTH}\\.{_DAY})|{_MONTH}[-/.]{_DAY}|{_YEAR}[-/.]{_MONTH}"
    f"|(?:{_YEAR}年)?{_MONTH}月(?:份|{_DAY}[日号]?)?|{_DAY}[日号]|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    f"|{_CHINESE}月(?:{_CHINESE}[日号])?|[今明后昨][天日]|本月|上月|下月)(?:\\(?{_WEEKDAY}\\)?)?|{_WEEKDAY}"
)
_HOUR, _MINUTE = "(?:[01]?[0-9]|2[0-4])", "[0-5][0-9]"
_PART_OF_DAY = "(?:今[早晚]|明[早晚]|上午|下午|中午|晚上|傍晚|早上|凌晨|全天)"
_ONE_TIME = (
    f"(?:{_PART_OF_DAY}?(?:{_HOUR}:{_MINUTE}(?::{_MINUTE})?(?:[ap]m)?|{_HOUR}[时点](?:整|半|[一三]刻|[0-5]?[0-9]分?(?:{_MINUTE}秒)?)?"
    f"|{_CHINESE}[时点](?:整|半|{_CHINESE}分?)?)|{_PART_OF_DAY})"
)
_BOTH = f"(?:(?:{_ONE_DAY})(?:,?t?{_ONE_TIME})?|{_ONE_TIME})"
_DAY_SIGNS = "年月日号份今明后昨天本上下这周星期礼拜末()至到~—–-"
_TIME_SIGNS = "时点分秒整半刻今明早晚上下中傍凌晨午全天apm至到~—–-"
_TO = "(?:至|到|-|~|—|–)"
_COUNT = "(?:[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,9})"
_CAPITALS = "[零〇一二三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟两]{1,16}"
_MASK = "*x×•●○·#"


def _matches(pattern: str) -> Callable[[str], object]:
    compiled = lazy_regex(pattern)

    def fits(value: str) -> object:
        return compiled.fullmatch(value)

    return fits


def _run(characters: str) -> Callable[..., re.Match[str] | None]:
    compiled = lazy_regex(f"[{characters}]*")

    def run(text: str, start: int, end: int) -> re.Match[str] | None:
        return compiled.match(text, start, end)

    return run


_NUMBER = lazy_regex(
    r"(?:\+?86-?|0086-?)?1[3-9][0-9]-?[0-9]{4}-?[0-9]{4}|(?:\(0[0-9]{2,3}\)|0[0-9]{2,3}-?)[0-9]{3,4}-?[0-9]{4}(?:(?:-|转)[0-9]{1,6})?"
    r"|[48]00-?[0-9]{3,4}-?[0-9]{3,4}|9[56][0-9]{3,6}|1[0-2][0-9]{3}|1[12][0-9]"
)
_MASKED = lazy_regex(rf"(?:尾号|末四位)?[0-9]{{4}}|[0-9+()-]{{0,10}}[{_MASK}]{{3,8}}[0-9-]{{0,5}}")
_EXTENSION = lazy_regex(r"(?<=[0-9]{7})(?:转|-)[0-9]{1,6}\Z")
_AREA_APART = lazy_regex(r"0[0-9]{2,3}-[0-9]{7,8}-[0-9]{1,6}\Z")
_MARKS_OF_NUMBERS = str.maketrans("", "", "-() ")
_NAME_MARKS = frozenset("*·•・‧∙⋅.'()&_-")


def is_masked(value: str) -> bool:
    """Whether a telephone number is shown in part only."""
    return _MASKED.fullmatch(value) is not None


def number_of(value: str) -> str:
    """A telephone number as the registries have it: digits alone, without +86 and an extension."""
    if "转" in value or _AREA_APART.match(value):
        value = _EXTENSION.sub("", value)
    value = value.translate(_MARKS_OF_NUMBERS).removeprefix("+")
    bare = value.removeprefix("00").removeprefix("86")
    return bare if len(bare) == 11 and bare.startswith("1") else value


def _is_phone(value: str) -> bool:
    return is_masked(value) or _NUMBER.fullmatch(value) is not None


def _is_name(value: str) -> bool:
    return all(one.isalpha() or one in _NAME_MARKS for one in value) and sum(one in NUMERALS for one in value) <= NUMERALS_MAX


def _is_order(value: str) -> bool:
    return _ORDER(value) is not None and any("0" <= one <= "9" for one in value)


def _is_anything(_: str) -> bool:
    return True


_ORDER = _matches("[0-9a-z](?:[0-9a-z_#-]*[0-9a-z])?")


class VariableType(NamedTuple):
    """A type of variable."""

    fits: Callable[[str], object]
    """Truth: whether a value fits."""
    run: Callable[..., re.Match[str] | None] | None
    """Matches the characters that a value may have, at a place of a text; None: any."""
    least: int
    most: int
    words: Bilingual
    by_digits: bool = True
    """Whether other digits in the same places may not fit."""
    may_carry: bool = False
    """Whether a value may hold a contact."""


_HAN = "一二三四五六七八九十廿两"
TYPES: Mapping[str, VariableType] = {
    "digits": VariableType(_matches("[0-9]+"), None, 1, LETTERS_MAX, Bilingual("digits", "数字"), by_digits=False),
    "code": VariableType(
        _matches("[0-9a-z](?:[0-9a-z-]*[0-9a-z])?"), _run("0-9a-z-"), 1, LETTERS_MAX, Bilingual("letters and digits", "字母和数字"),
        by_digits=False, may_carry=True,
    ),
    "minutes": VariableType(
        _matches(f"[0-9]{{1,3}}|{_CHINESE}"), _run(f"0-9{_HAN}"), 1, 3, Bilingual("a number of minutes", "分钟数"), by_digits=False
    ),
    "date": VariableType(
        _matches(f"(?:{_ONE_DAY})(?:{_TO}(?:{_ONE_DAY}))?"), _run(f"0-9./{_HAN}{_DAY_SIGNS}"), 2, 32, Bilingual("a date", "日期")
    ),
    "time": VariableType(
        _matches(f"{_ONE_TIME}(?:{_TO}{_ONE_TIME})?"), _run(f"0-9:{_HAN}{_TIME_SIGNS}"), 2, 32, Bilingual("a time of day", "时间")
    ),
    "datetime": VariableType(
        _matches(f"{_BOTH}(?:{_TO}{_BOTH})?"), _run(f"0-9:./,t{_HAN}{_DAY_SIGNS}{_TIME_SIGNS}"), 2, 48,
        Bilingual("a date, a time or both", "日期或时间"),
    ),
    "money": VariableType(
        _matches(
            rf"-?(?:[¥$]|人民币|rmb)?(?:{_COUNT}(?:\.[0-9]{{1,4}})?(?:元整?|万元?|亿元?|块)?"
            rf"|{_CAPITALS}(?:[元圆]整?|点[零一二三四五六七八九]{{1,4}}|[元圆].?角(?:.分)?)?)"
        ),
        None, 1, 24, Bilingual("an amount", "金额"), by_digits=False, may_carry=True,
    ),
    "phone": VariableType(
        _is_phone, _run(f"0-9+()转尾号末四位{re.escape(_MASK)}-"), 3, 24, Bilingual("a telephone number", "电话号码")
    ),
    "order": VariableType(
        _is_order, _run("0-9a-z_#-"), 1, 40, Bilingual("an order number: letters and digits", "单号（字母和数字）"), may_carry=True
    ),
    "name": VariableType(
        _is_name, None, 1, LETTERS_MAX, Bilingual("a name, without digits", "名称（不含数字）"), by_digits=False, may_carry=True
    ),
    "text": VariableType(_is_anything, None, 1, LETTERS_LONGEST, Bilingual("text", "文字"), may_carry=True),
    "untyped": VariableType(_is_anything, None, 1, LETTERS_MAX, Bilingual("characters", "字符"), may_carry=True),
}  # fmt: skip
NAMES = tuple(name for name in TYPES if name not in ("digits", "untyped"))
"""Names of variables that are types."""

TYPES_SHOWN = "{code:4-8 digits} {minutes} {date} {time} {money} {phone} {name:≤8} {order}"


class Variable(NamedTuple):
    written: str
    """As the filing has it: ``{code:4-8 digits}``."""
    kind: str
    least: int
    most: int

    @property
    def by_digits(self) -> bool:
        kind = TYPES[self.kind]
        return kind.by_digits or (self.most > NUMBER_DIGITS_MAX and self.kind in ("digits", "code"))

    @property
    def is_shortened(self) -> bool:
        """Whether the end of a fitting value fits, too."""
        return self.kind in ("untyped", "text", "name", "digits")

    @property
    def may_carry(self) -> bool:
        """Whether a value is searched for contacts."""
        return TYPES[self.kind].may_carry or (self.most > NUMBER_DIGITS_MAX and self.kind in ("digits", "code"))

    @property
    def digits_most(self) -> int:
        """How many digits of a contact a value may hold, beside those of its neighbours."""
        if self.kind in ("phone", "date", "time", "datetime"):
            return 0
        return min(self.most, NUMERALS_MAX) if self.kind == "name" else self.most

    def fits(self, value: str) -> bool:
        return bool(TYPES[self.kind].fits(value))

    @property
    def words(self) -> Bilingual:
        """What fits it."""
        words = TYPES[self.kind].words
        if self.kind in ("date", "time", "datetime", "money", "phone", "minutes"):
            return words
        if self.kind in ("order", "name"):
            return Bilingual(f"{words}, at most {self.most} characters", f"{words.zh}，最多 {self.most} 个字")
        span = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        span_zh = span if self.least == self.most else f"{self.least} 至 {self.most}"
        return Bilingual(f"{span} {words}", f"{span_zh} 位{words.zh}")


class NotAVariable(ValueError):
    """A variable says what no variable can; the text says what to write."""


def variable(match: re.Match[str], allows: frozenset[str]) -> Variable:
    """Reads one match of VARIABLE. ``allows``: what the filing allows: ``text``, ``phone``. Raises NotAVariable."""
    name = unicodedata.normalize("NFKC", match[1]).strip().lower()
    spec = unicodedata.normalize("NFKC", match[2] or "").strip().lower()
    read = _LENGTH.fullmatch(spec)
    if read is None:
        raise NotAVariable(f"'{match[0]}' says not how long it may be (write ≤8, 4-8 or 4-8 digits behind the colon)")
    is_explicit = bool(read["to"] or read["most"] or read["digits"])
    kind = "digits" if read["digits"] else name if name in NAMES else "untyped"
    if kind == "code" and not is_explicit:
        kind = "untyped"  # as files of before have it: some codes are words
    if kind == "text" and "text" not in allows:
        if is_explicit:
            raise NotAVariable(f"'{match[0]}' holds anything: write a type, or have the filing allow it (column allows: text)")
        kind = "untyped"  # as files of before have it: a variable by this name
    default = TYPES[kind]
    least, most = default.least, default.most
    if read["most"]:
        least, most = int(read["least"]), int(read["most"])
    elif read["one"]:
        most = int(read["one"])
        least = most if read["digits"] and not read["to"] else min(default.least, most)
    if not 1 <= least <= most <= LETTERS_LONGEST:
        wrong = max(most, least)
        raise NotAVariable(f"a variable of {wrong} characters (1 to {LETTERS_LONGEST})")
    found = Variable(match[0], kind, least, most)
    return found if found.is_shortened else found._replace(least=min(least, TYPED_LONGEST), most=min(most, TYPED_LONGEST))


def digits_masked(value: str) -> str:
    """A value for a page about a one-time code."""
    return "".join("*" if one.isdigit() else one for one in value)


def placeholders(text: str) -> list[str]:
    """What looks like a variable as other systems write them, and is compared as fixed text."""
    fixed = VARIABLE.sub("{}", _OF_CLOUDS.sub("{}", text))
    return [match[0] for pattern, of in ((_OF_CLOUDS, text), (_LOOKS_VARIABLE, fixed)) for match in pattern.finditer(of)]
