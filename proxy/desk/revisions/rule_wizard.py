"""Writes the commonest rules from a form, with their tests.

The rules are a ban, a cap and quiet hours. Pure.

In: the form, a file as it is. Out: the file with the rule and its test in it. Never: another rule touched but the one that it replaces, with
the tests of that one alone.
"""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml

from proxy.desk.revisions.rule_text import block
from proxy.i18n.phrases import WORDS
from proxy.model.message import SUBCATEGORIES

KINDS = ("ban", "cap", "quiet")
TRIALS: Mapping[str, timedelta] = {
    "10m": timedelta(minutes=10), "1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7),
}  # fmt: skip
SHARES = ("1%", "10%", "50%")
"""Of the recipients for whom a rule decides first."""
THENS = ("reject", "defer")
DAYS: Mapping[str, str] = {"holiday": "法定节假日", "rest": "休息日", "workday": "工作日"}
"""Sorts of days besides the names of holidays."""
COUNT_MAX = 1000
FILES: Mapping[str, str] = {"ban": "regions.yaml", "cap": "caps.yaml", "quiet": "hours.yaml"}
REASONS: Mapping[str, str] = {"ban": "region-ban", "quiet": "quiet-hours"}
NEW_FILE = "desk.yaml"
MOMENT = "%Y-%m-%d %H:%M"
PLACES: Mapping[str, str] = {"北京": "13800100500", "上海": "13800210500", "天津": "13800220500", "重庆": "13800230500"}
"""Numbers for the test of a ban; other provinces have none."""
ANY_NUMBER = "13800210500"
TEXTS: Mapping[str, str] = {
    "marketing": "【测试】新品上架 拒收请回复R", "notice": "【测试】您的快件已到驿站", "otp": "【测试】您的验证码是482913, 5分钟内有效",
}  # fmt: skip
CATEGORY_NAMES: Mapping[str, str] = {"marketing": "营销短信", "notice": "通知短信", "otp": "验证码短信"}
PER: Mapping[str, str] = {
    "day": "每天", "week": "每周", "month": "每月", "24h": "任意24小时", "7d": "任意7天", "30d": "任意30天",
}  # fmt: skip
OF: Mapping[str, str] = {"all": "", "advertiser": "同一广告主的", "signature": "同一签名的", "provider": "同一通道商的"}


ORDER = (
    "北京", "天津", "河北", "山西", "内蒙古", "辽宁", "吉林", "黑龙江", "上海", "江苏", "浙江", "安徽", "福建", "江西", "山东", "河南",
    "湖北", "湖南", "广东", "广西", "海南", "重庆", "四川", "贵州", "云南", "西藏", "陕西", "甘肃", "青海", "宁夏", "新疆",
)  # fmt: skip
"""As GB/T 2260 lists them, and everybody in China expects."""


class IncompleteForm(ValueError):
    """The form does not say enough: ``args[0]`` is the name of the words for it, ``args[1]`` the table in which it can be mended, if any."""


@dataclass(frozen=True, slots=True)
class WizardForm:
    kind: str
    categories: tuple[str, ...]
    subcategories: tuple[str, ...]
    provinces: tuple[str, ...]
    since: str
    """When it decides: ``2026-11-26 18:00``; empty: at once. Before it there may be a trial."""
    until: str
    basis: str
    say: str
    trial: str
    """A key of TRIALS: in shadow until ``since``; ``shadow``: until changed; one of SHARES: but for these; empty: the rule has none."""
    count: int = 0
    per: str = "day"
    whose: str = "all"
    quiet_from: str = "21:00"
    quiet_to: str = "08:00"
    days: str = ""
    """A sort of days or the name of a holiday, on which quiet hours hold; empty: every day."""
    campaign: str = ""
    """A registered campaign, whose dates the rule has; empty: ``since`` and ``until``."""
    then: str = "reject"
    defer_until: str = ""


def read_form(
    form: Mapping[str, str], provinces: Sequence[str], known: Collection[str], now: str, campaigns: Collection[str] = (),
    holidays: Collection[str] = (),
) -> WizardForm:  # fmt: skip
    """``form``: several categories stand in one text, with blanks between. ``now``: its date is to come, and its trial ends then.
    ``campaigns``, ``holidays``: names of the registries. Unclear where something is missing or is none."""
    kind, then = form.get("kind", "ban"), form.get("then", "reject")
    days, campaign = form.get("days", ""), form.get("campaign", "")
    categories = form.get("category", "marketing").split()
    subcategories = _subjects(form)
    if not categories:
        raise IncompleteForm("no_category")
    unknown = set(categories) - set(TEXTS) | set(subcategories) - set(SUBCATEGORIES)
    if unknown or kind not in KINDS or then not in THENS:
        raise IncompleteForm("unclear_kind")
    days = next((key for key, word in DAYS.items() if word == days.strip()), days.strip())
    if days not in ("", *DAYS, *holidays):
        raise IncompleteForm("unclear_days", "registries/holidays.csv")
    if campaign not in ("", *campaigns):
        raise IncompleteForm("unclear_kind")
    provinces = [*dict.fromkeys([*provinces, *(word.rstrip("省市") for word in _typed(form.get("places", "")))])]
    if not set(provinces) <= set(known):
        raise IncompleteForm("unclear_province")
    if kind == "ban" and not provinces:
        raise IncompleteForm("no_province")
    count = form.get("count", "") or "0"
    if kind == "cap" and not (count.isascii() and count.isdigit() and 1 <= int(count) <= COUNT_MAX):
        raise IncompleteForm("no_count")
    trial = form.get("trial", "")
    since, until = _dates(form, now)
    if campaign and (form.get("since") or until):
        raise IncompleteForm("campaign_dates")
    if kind == "quiet" and form.get("defer_until"):
        then = "defer"
    hours = [_clock(form.get(word) or default) for word, default in (("quiet_from", "21:00"), ("quiet_to", "08:00"))]
    if hours[0] == hours[1]:
        raise IncompleteForm("no_hours")
    again = _clock(form["defer_until"]) if kind == "quiet" and form.get("defer_until") else ""
    found = WizardForm(
        kind, tuple(categories), tuple(subcategories), tuple(provinces), since, until,
        _line(form.get("basis", "")), _line(form.get("say", "")), trial, int(count) if kind == "cap" else 0,
        form.get("per", "day"), form.get("whose", "all"), hours[0], hours[1], days if kind == "quiet" else "", campaign, then, again,
    )  # fmt: skip
    if found.per not in PER or found.whose not in OF or found.trial not in ("", "shadow", *TRIALS, *SHARES):
        raise IncompleteForm("unclear_kind")
    return found


def _dates(form: Mapping[str, str], now: str) -> tuple[str, str]:
    """From when to when; a trial ends when the rule begins to decide."""
    since, until = (_moment(form.get(word, "")) for word in ("since", "until"))
    if since and since <= now:
        raise IncompleteForm("since_past")
    if (trial := form.get("trial", "")) in TRIALS and not since:
        since = f"{datetime.fromisoformat(now) + TRIALS[trial]:{MOMENT}}"
    if until and until <= (since or now):
        raise IncompleteForm("until_before")
    return since, until


def _subjects(form: Mapping[str, str]) -> list[str]:
    """Sub-categories that are ticked or typed."""
    keys = {WORDS[name]: name for name in SUBCATEGORIES if name}
    typed = [keys.get(word, word) for word in _typed(form.get("subjects", ""))]
    if not set(typed) <= set(SUBCATEGORIES):
        raise IncompleteForm("unclear_subject")
    return [*dict.fromkeys([*form.get("subcategory", "").split(), *typed])]


def _typed(text: str) -> list[str]:
    """Names in one line, as they are typed: ``贷款、游戏``."""
    return re.split(r"[\s、,;/]+", unicodedata.normalize("NFKC", text).strip(" 、,;/")) if text.strip() else []


def _clock(text: str) -> str:
    """``21:00``, of any keyboard: ``21：00``, ``9:00``."""
    found = re.fullmatch("([01]?[0-9]|2[0-3]):([0-5][0-9])", unicodedata.normalize("NFKC", text).replace(" ", ""), re.ASCII)
    if found is None:
        raise IncompleteForm("no_hours")
    return f"{found[1]:0>2}:{found[2]}"


def _moment(text: str) -> str:
    """As rules spell it: without the letter that browsers put between."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).strftime(MOMENT)
    except ValueError:
        raise IncompleteForm("no_moment") from None


def in_order(provinces: Collection[str]) -> list[str]:
    """Without those of which nothing is known."""
    return [*(name for name in ORDER if name in provinces), *sorted(set(provinces) - {*ORDER, "unknown"})]


def sentence(one: WizardForm) -> str:
    """The rule in a sentence, where its author gives none."""
    where = "、".join(one.provinces) + ("归属地号码" if one.provinces else "所有号码")
    what = "、".join(CATEGORY_NAMES[name] for name in one.categories)
    what += f"（{'、'.join(WORDS[name] for name in one.subcategories)}）" if one.subcategories else ""
    span = (f"{one.since} 起" if one.since else "") + (f"至 {one.until} 止" if one.until else "")
    span += f"{one.campaign}期间" if one.campaign else ""
    span += "，" if span else ""
    put_off = one.defer_until or (one.quiet_to if one.kind == "quiet" else "")
    again = (f"，顺延到 {put_off}" if put_off else "，顺延") if one.then == "defer" else ""
    if one.kind == "ban":
        return f"{span}{where}不得接收{what}{again}"
    if one.kind == "cap":
        who = "同一号码" if not one.provinces else f"{where}，每个号码"
        together = "合计" if len(one.categories) + len(one.subcategories) > 2 else ""
        return f"{span}{who}{PER[one.per]}{together}最多收{one.count}条{OF[one.whose]}{what}{again}"
    until = f"次日 {one.quiet_to}" if one.quiet_from > one.quiet_to else f" {one.quiet_to}"
    days = f"{DAYS.get(one.days, one.days)}的" if one.days else ""
    return f"{span}{where}在{days} {one.quiet_from} 到{until} 不收{what}{again}"


def new_id(one: WizardForm, taken: Collection[str], today: str) -> str:
    """An id that no rule has: ``ban-20261126``, ``ban-20261126-2``."""
    base = f"{one.kind}-{(one.since or today)[:10].replace('-', '')}"
    return next(
        name for number in range(1, len(taken) + 2) if (name := base if number == 1 else f"{base}-{number}") not in taken
    )


def shorter_s(one: WizardForm, now: str) -> int:
    """Seconds that are left for a trial, if it cannot be as long as it is to be; 0: it can, or there is none."""
    left = datetime.fromisoformat(one.since) - datetime.fromisoformat(now) if one.trial in TRIALS else timedelta()
    return int(left.total_seconds()) if left and left < TRIALS[one.trial] else 0


def rule_of(one: WizardForm, name: str) -> list[str]:
    """The rule as lines of YAML, the first with a dash. A trial begins with its approval: it has no ``active: from``."""
    when = [f"category: {_one_or(one.categories)}"]
    if one.subcategories:
        when.append(f"subcategory: {_one_or(one.subcategories)}")
    if one.provinces:
        when.append(f"province: {_one_or(one.provinces)}")
    if one.days:
        when.append(f"calendar: {one.days if one.days in DAYS else _text(one.days)}")
    if one.kind == "quiet":
        when.append(f"time: {one.quiet_from}-{one.quiet_to}")
    lines = [f"- id: {name}", f"  say: {_text(one.say or sentence(one))}"]
    if one.basis:
        lines.append(f"  basis: {_text(one.basis)}")
    lines.append(f"  when: {{{', '.join(when)}}}")
    if one.kind == "cap":
        keys = ["recipient", *([one.whose] if one.whose != "all" else [])]
        lines.append(f"  limit: {{count: {one.count}, per: {one.per}, key: {_listed(keys)}}}")
    begins = "" if one.trial in TRIALS else one.since
    dates = (("from", begins), ("to", one.until), ("campaign", one.campaign))
    if written := [f"{word}: {_text(at)}" for word, at in dates if at]:
        lines.append(f"  active: {{{', '.join(written)}}}")
    if one.trial in ("shadow", *SHARES):
        lines += ["  mode: shadow", *([f"  enforce: {one.trial}"] if one.trial in SHARES else [])]
    elif one.trial:
        lines.append(f'  trial: {{until: "{one.since}"}}')
    cap = "advertiser-cap" if one.whose == "advertiser" else "recipient-cap"
    reason = "holiday-hours" if one.days else REASONS.get(one.kind, cap)
    again = [f'  defer_until: "{one.defer_until}"'] if one.defer_until else []
    return [*lines, f"  then: {one.then}", f"  reason: {reason}", *again]


def test_of(one: WizardForm, name: str, now: str) -> list[str]:
    """A test with a message that the rule must refuse; empty if none can be made up."""
    to = ANY_NUMBER if not one.provinces else next((PLACES[place] for place in one.provinces if place in PLACES), "")
    if one.trial in ("shadow", *SHARES) or one.subcategories or one.days or one.campaign or not to:
        return []
    begins = datetime.fromisoformat(one.since or now)
    hour, minute = map(int, one.quiet_from.split(":")) if one.kind == "quiet" else (10, 0)
    at = begins.replace(hour=hour, minute=minute, second=0)
    at += timedelta(days=1) if at < begins else timedelta()
    if one.until and at >= datetime.fromisoformat(one.until):
        at = begins
    step = f'{{at: "{at:{MOMENT}}", to: "{to}", from: "10690001"'
    step += f", category: {one.categories[0]}, text: {_text(TEXTS[one.categories[0]])}"
    steps = [f"    - {step}, want: {{{one.then}: {name}}}}}"]
    if one.kind == "cap":
        steps.insert(0, f"    - {step}, repeat: {one.count}, want: allow}}")
    return [f"- note: {_text(f'{name}：该拒的被拒')}", "  messages:", *steps]


def with_rule(text: str, rule: Sequence[str], test: Sequence[str], instead: Mapping[str, Any] | None = None) -> str:
    """The file with them at the ends of its lists; the rule in the place of another, ``instead``, which has the same id."""
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    if instead is None:
        lines = _added(lines, "rules", rule)
    else:
        first = instead["line"] - 1
        inset = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        lines[first : first + len(block(lines, instead["line"]))] = [inset + line for line in rule]
        then = next(line.split()[-1] for line in rule if line.startswith("  then: "))
        wanted = re.compile(rf"\b(?:{'|'.join(THENS)}): (?={re.escape(instead['rule'])}\s*[,}}])")
        lines = [wanted.sub(f"{then}: ", line) for line in lines]
    return "\n".join(_added(lines, "tests", test) if test else lines) + "\n"


def without_tests(text: str, tests: Iterable[int]) -> str:
    """The file without the tests that begin in these lines."""
    lines = text.split("\n")
    for first in sorted(tests, reverse=True):
        del lines[first - 1 : first - 1 + len(block(lines, first))]
    return "\n".join(line for place, line in enumerate(lines) if line != "tests:" or any(lines[place + 1 :]))


def alike(one: WizardForm, rules: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first of ``rules``, as ``describe`` has them, that asks for the same: a cap with the same window and key, quiet hours with some of
    the same hours. None if the new one is for a while or on trial: the other would be missed before and afterwards."""
    if one.since or one.until or one.campaign or one.trial:
        return None
    wanted = _asks("\n".join(rule_of(one, "new")))
    return next((rule for rule in rules if wanted and (found := _asks(rule["text"])) and _same(wanted, found)), None)


def _asks(text: str) -> dict[str, Any]:
    """What a rule asks for, with sets of values; empty where a form could not have written it."""
    with contextlib.suppress(yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        (rule,) = yaml.safe_load(text)
        if set(rule) <= {"id", "say", "basis", "when", "limit", "then", "reason", "defer_until"}:
            limit = rule.get("limit", {})
            asked = {**rule["when"], "per": limit.get("per", ""), "key": limit.get("key", [])}
            return {word: frozenset(value if isinstance(value, list) else [value]) for word, value in asked.items()}
    return {}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    hours = [_minutes(" ".join(map(str, asked.get("time", ())))) for asked in (one, other)]
    others = [{word: value for word, value in asked.items() if word != "time"} for asked in (one, other)]
    return others[0] == others[1] and (hours[0] == hours[1] or bool(hours[0] & hours[1]))


def _minutes(span: str) -> set[int]:
    """Of the day, in ``21:00-08:00``; none in another text."""
    if not re.fullmatch(r"\d\d?:\d\d-\d\d?:\d\d", span):
        return set()
    first, last = (int(hour) * 60 + int(minute) for hour, minute in (clock.split(":") for clock in span.split("-")))
    return {minute % 1440 for minute in range(first, last if last > first else last + 1440)}


def _added(lines: list[str], key: str, item: Sequence[str]) -> list[str]:
    start = next((place for place, line in enumerate(lines) if re.match(rf"{key}:\s*(#.*)?$", line)), None)
    if start is None:
        lines = [line for line in lines if not re.match(rf"{key}:\s*(\[\s*\]|null|~)?\s*$", line)]
        gap = [""] if lines else []
        return [*lines, *gap, f"{key}:", *("  " + line for line in item)]
    end = start + 1
    for place in range(start + 1, len(lines)):
        if re.match(r"[^\s#-]", lines[place]):
            break
        if lines[place].strip() and not re.match("#", lines[place]):
            end = place + 1
    first = next((line for line in lines[start + 1 : end] if line.lstrip().startswith("-")), "  -")
    inset = " " * (len(first) - len(first.lstrip()))
    gap = [""] if key == "rules" and end > start + 1 else []
    return [*lines[:end], *gap, *(inset + line for line in item), *lines[end:]]


def _one_or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else _listed(words)


def _listed(words: Sequence[str]) -> str:
    return f"[{', '.join(words)}]"


def _line(words: str) -> str:
    """What was typed, as one line that a file may hold."""
    return " ".join("".join(one if one.isprintable() else " " for one in words).split())


def _text(words: str) -> str:
    """A text in double quotes: JSON is YAML."""
    return json.dumps(words, ensure_ascii=False)
