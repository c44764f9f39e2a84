"""Nodes of a rules file: values that know their line."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar, cast

from proxy.config import yaml_file
from proxy.i18n.phrases import FIELDS, WORDS
from proxy.policy.loading.problem import Faults, Problem, RuleFault, RulesError, each
from proxy.runtime.yield_point import Rest, no_yield, with_yield_points

Found = TypeVar("Found")
Value = None | bool | int | float | str | list["Node"] | dict[str, "Node"]


class Node:
    """A scalar, a list of Nodes or a mapping of words to Nodes, with its line (a mapping's value: the line of its key)."""

    __slots__ = ("value", "line", "mend", "lines")

    def __init__(self, value: Value, line: int, mend: str = "", lines: Sequence[str] = ()) -> None:
        self.value = value
        self.line = line
        self.mend = mend
        """Of a text with marks that a Chinese keyboard gives for those of YAML: what is wrong with it, and what to write."""
        self.lines = lines
        """Those of the file."""

    def fault(self, text: str, written: str = "", meant: str = "") -> RuleFault:
        """What is wrong here, to be raised. ``meant``: what to write in place of ``written``: the whole line is offered."""
        return RuleFault(self.line, text + (self._offer(written, meant) if meant else ""))

    def _offer(self, written: str, meant: str) -> str:
        line = next(iter(self.lines[self.line - 1 : self.line]), "").rstrip()
        at = closed(line).find(closed(written)) if len(closed(line)) == len(line) else line.find(written)
        return f": write `{line[:at]}{meant}{line[at + len(written) :]}`" if at >= 0 else ""

    def parsed(self, what: str, read: Callable[[str], Found]) -> Found:
        """What ``read`` makes of the text; where it raises a ValueError, that is the fault."""
        try:
            return read(self.text(what))
        except ValueError as fault:
            raise self.fault(f"{what}: {fault}", self.text(what), getattr(fault, "meant", "")) from None

    def mapping(self, what: str, allowed: Iterable[str], faults: Faults | None = None) -> dict[str, Node]:
        """The mapping, every key of it in ``allowed``. With ``faults`` other keys are noted there and left out."""
        if not isinstance(self.value, dict):
            raise self.fault(f"{what}: must be a mapping (key: value), not {self.shape}")
        known = list(allowed)
        strange = {key: item for key, item in self.value.items() if key not in known}
        if not strange:
            return self.value
        noted = Faults() if faults is None else faults
        for key, item in strange.items():
            with noted:
                text = f"{what}: {unknown_word('key', key, known)}"
                in_ascii = yaml_file.ascii_marks(key)
                raise item.fault(text, key, in_ascii if in_ascii != key else english(key, known))
        if faults is None:
            noted.settle()
        return {key: item for key, item in self.value.items() if key not in strange}

    def items(self) -> list[Node]:
        """The list, or the single value as a list of one."""
        return self.value if isinstance(self.value, list) else [self]

    def text(self, what: str, *, digits: bool = False) -> str:
        """A text. With ``digits``, a bare number is one too (a port, a code: nothing that starts with 0)."""
        if digits and type(self.value) is int:
            return str(self.value)
        if isinstance(self.value, (bool, int, float)):
            raise self.fault(f"{what}: {self.shape} is no text here: put it in quotes")
        if self.mend:
            raise self.fault(f"{what}: {self.mend}")
        if not isinstance(self.value, str) or not self.value:
            raise self.fault(f"{what}: must be a word or a text, not {self.shape}")
        return self.value

    def texts(self, what: str, *, digits: bool = False) -> list[str]:
        """One text or a list of them; at least one."""
        found = each(self.items(), lambda item: item.text(what, digits=digits))
        if not found:
            raise self.fault(f"{what}: an empty list matches nothing (leave the key out, or name what it should match)")
        return found

    def word(self, what: str, allowed: Iterable[str], kind: str = "value") -> str:
        """One of a closed list of words."""
        written = self.text(what, digits=True)
        if written not in (known := list(allowed)) and (written := closed(written)) not in known:
            raise self.fault(f"{what}: {unknown_word(kind, written, known)}", str(self.value), english(written, known))
        return written

    def words(self, what: str, allowed: Iterable[str], kind: str = "value") -> list[str]:
        """One or several of a closed list of words."""
        known = list(allowed)
        self.texts(what, digits=True)
        return each(self.items(), lambda item: item.word(what, known, kind))

    def integer(self, what: str, least: int, most: int) -> int:
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.fault(f"{what}: must be a whole number from {least} to {most}, not {self.shape}")
        return self.value

    def truth(self, what: str) -> bool:
        if type(self.value) is not bool:
            raise self.fault(f"{what}: must be true or false, not {self.shape}")
        return self.value

    @property
    def shape(self) -> str:
        """What it is, in words of an error."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return "empty" if self.value is None else f"'{self.value}'"


UNTOUCHED = frozenset(("say", "basis", "note"))
"""Keys whose texts are for people."""
FREE = UNTOUCHED | frozenset((
    "text", "words", "all", "patterns", "file", "groups", "signature", "advertiser", "group", "template", "notice", "campaign", "provider",
    "account", "url", "contact", "value", "recipient_in", "city", "calendar", "id", "skip", "keep", "exempt", "reject", "defer", "allow",
))  # fmt: skip
"""Keys below which names and texts stand as they are written. Values of all other keys are closed: words, dates, numbers, ports."""
_IN_FREE = frozenset(("none", "several", "missing", "present", "tail", "matched", "mismatched", "unregistered"))
"""Words of the language that stand among names."""
_KEY = re.compile(r"[A-Za-z0-9_.-]+")
_QUOTED = re.compile("“([^“”]*)”|‘([^‘’]*)’")
_SPOKEN: Mapping[str, str] = {
    "when": "条件", "rules": "规则", "limit": "限额 限制", "then": "动作 处理", "reason": "原因 理由", "say": "说明", "basis": "依据",
    "note": "备注", "mode": "模式", "active": "生效 有效期", "trial": "试行", "exempt": "豁免", "skip": "跳过", "keep": "保留",
    "tests": "测试", "lists": "名单", "file": "文件", "time": "时间 时刻 时段", "day": "日期", "port": "端口号", "count": "次数 条数",
    "per": "每 周期", "key": "键", "text": "短信内容 内容", "url": "链接 网址", "city": "城市", "recipient": "手机号 手机号码",
    "to": "号码 手机号", "shadow": "影子 试运行", "enforce": "执行 启用", "off": "停用", "review": "人工审核", "throttle": "限速",
    "tag": "标记", "all": "全部", "any": "任一", "not": "非 不", "from": "从", "until": "截止", "words": "词 词语", "campaign": "活动",
    "calendar": "日历", "allow": "允许", "reject": "拒收", "defer": "延后",
}  # fmt: skip
"""Words of the language as people may say them beside their Chinese names."""


def english(written: str, known: Collection[str]) -> str:
    """The word that a Chinese one means, of those that may stand here; empty if none does."""
    named = ((word, chinese) for words in (WORDS, FIELDS) for word, chinese in words.items())
    spoken = ((word, one) for word, ones in _SPOKEN.items() for one in ones.split())
    return next((word for word, chinese in (*named, *spoken) if chinese == written and word in known), "")


def closed(text: str) -> str:
    """A word, date, number or port as an ASCII keyboard has it: NFKC."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def unknown_word(kind: str, written: str, known: Collection[str]) -> str:
    """The fault; of a Chinese word it names the English one."""
    found = english(written, known)
    return f"unknown {kind} '{written}' (did you mean '{found}'?)" if found else yaml_file.unknown(kind, written, known)


def read(text: bytes, file: str, rest: Rest = no_yield) -> Node:
    """The file as a Node; raises RulesError with the one problem that makes it unreadable."""
    if len(text) > yaml_file.FILE_BYTES_MAX:
        raise RulesError([Problem(file, 1, "too large (put long lists into lists/*.csv)")])
    decoded = ""
    try:
        decoded = yaml_file.decoded(text, file)
        document = yaml_file.load(decoded, file, rest)
    except yaml_file.YamlError as fault:
        offered = yaml_file.with_ascii_marks(decoded, fault.line) if "is no mark of YAML" in fault.text else ""
        raise RulesError([Problem(file, fault.line, fault.text + (f": write `{offered}`" if offered else ""))]) from None
    return _Nodes(document, decoded, rest).node(document.value, ())


class _Nodes:
    def __init__(self, document: yaml_file.Document, text: str, rest: Rest) -> None:
        self.document, self.lines, self.rest = document, text.split("\n"), rest

    def node(self, value: yaml_file.Value, place: yaml_file.Place) -> Node:
        line = self.document.line(place)
        if isinstance(value, list):
            items = enumerate(with_yield_points(value, self.rest))
            return Node([self.node(item, (*place, index)) for index, item in items], line, "", self.lines)
        if isinstance(value, dict):
            self.rest()
            return Node(self._mapping(value, place), line, "", self.lines)
        if isinstance(value, str) and not value.isascii():
            return self._text(value, place, line)
        return Node(value, line, "", self.lines)

    def _mapping(self, value: dict[str, yaml_file.Value], place: yaml_file.Place) -> dict[str, Node]:
        """Keys are closed words, but for the names of lists."""
        found: dict[str, Node] = {}
        for key, item in value.items():
            folded = closed(key)
            name = folded if _KEY.fullmatch(folded) and place != ("lists",) else key
            if name in found:
                line = self.document.line((*place, key))
                raise RulesError([Problem(self.document.name, line, f"a key stands here twice: {name!r}")])
            found[name] = self.node(item, (*place, key))
        return found

    def _text(self, value: str, place: yaml_file.Place, line: int) -> Node:
        key = _key_of(place)
        if _is_untouched(place):
            return Node(value, line)
        own_line = self.document.unquoted.get(place, 0)
        if own_line and self._mended(value, place):
            mark = "，" if "，" in value else value[0] + value[-1]
            mend = (
                f"{mark} is no mark of YAML: write `{self._mended_line(own_line)}` (ASCII quotes around it mean the characters)"
            )
            return Node(value, own_line, mend)
        folded = closed(value).strip()
        if key in FREE:
            return Node(folded if folded in _IN_FREE else value, own_line or line, "", self.lines)
        return Node(cast("Value", yaml_file.plain_value(folded)) if own_line else folded, own_line or line, "", self.lines)

    def _mended(self, value: str, place: yaml_file.Place) -> list[str]:
        """A text in Chinese quotes, or an item of a list with a Chinese comma, as it is to be written; empty where neither is."""
        parts = [one.strip() for one in value.split("，")] if place and isinstance(place[-1], int) else [value]
        if len(parts) == 1 and not _QUOTED.fullmatch(value):
            return []
        return [_QUOTED.sub(_in_ascii_quotes, one) if _QUOTED.fullmatch(one) else one for one in parts]

    def _mended_line(self, line: int) -> str:
        """The whole line as it is to be written."""
        whole = next(iter(self.lines[line - 1 : line]), "").rstrip()
        for place in self._unquoted_by_line.get(line, ()):
            value = str(self.document.at(place))
            if not _is_untouched(place) and (written := self._mended(value, place)):
                dashed = re.fullmatch(rf"( *- ){re.escape(value)}", whole)
                whole = (
                    "` and `".join(f"{dashed[1]}{one}" for one in written)
                    if dashed
                    else whole.replace(value, ", ".join(written), 1)
                )
        return whole

    @cached_property
    def _unquoted_by_line(self) -> Mapping[int, list[yaml_file.Place]]:
        found: dict[int, list[yaml_file.Place]] = {}
        for place, line in self.document.unquoted.items():
            found.setdefault(line, []).append(place)
        return found


def _key_of(place: yaml_file.Place) -> str:
    return next((closed(step) for step in reversed(place) if isinstance(step, str)), "")


def _is_untouched(place: yaml_file.Place) -> bool:
    """Whether a text is for people, or is the text of a test."""
    key = _key_of(place)
    return key in UNTOUCHED or (key == "text" and closed(str(place[0])) == "tests")


def _in_ascii_quotes(found: re.Match[str]) -> str:
    return json.dumps(found[1] if found[1] is not None else found[2], ensure_ascii=False)
