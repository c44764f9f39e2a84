"""Prints a person's opt-outs in Chinese, in the words of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from proxy.console.translations import SHARED, Translator, load
from proxy.i18n.text import Bilingual

WORDS = Path(__file__).parent / "optouts.yaml"


def chinese_lines(told: Mapping[str, Any]) -> Iterator[Bilingual]:
    """Lines of ``OptOutTrace.as_dict``."""
    return (Bilingual(line, line) for line in _lines(told, Translator("zh", load(WORDS), load(SHARED))))


def _lines(told: Mapping[str, Any], words: Translator) -> Iterator[str]:
    journal = told["journal"]
    yield f"{told['recipient']}，{words('journal_from')} {_moment(journal['from'])} {words('to')} {_moment(journal['to'])}"
    for first, last in journal["missing"]:
        yield words("missing", first=first, last=last)
    for one in told["events"]:
        where = f"{one['port']}（{one['provider'] or '无主'}）" if one["port"] else ""
        beside = f" {one['who']}：{one['why']}" if one.get("who") else ""
        beside += f" {one['file']}" if one.get("file") else ""
        beside += f" {words('told_by', node=one['gate'])}" if "gate" in one else ""
        yield f"{_moment(one['at'])}  {words.of('event', one['event'])}  {where} {_what(one, words)}{beside}"
    if not told["events"]:
        yield words("no_events")
    standing = "；".join(
        _about(one) + f"，自 {_moment(one['since'])}" + (f"，至 {_moment(one['until'])}" if one["until"] else "")
        for one in told["in_force"]
    )
    yield f"现有退订：{standing or '无'}"
    yield f"首次回复或退订以来下发 {told['sent']} 条，其中违反退订 {told['sent_after_optout']} 条"


def _what(one: Mapping[str, Any], words: Translator) -> str:
    match one["event"]:
        case "received":
            whom = words("meant_all") if one.get("meant") == ["everything"] else "、".join(one.get("meant") or ())
            return f"“{one['text']}”，{words.of('read_as', one['read_as'])}" + (
                f"，{words('meant', whom=whom, count=one['sent_after'])}" if whom else ""
            )
        case "stopped":
            return "，".join(
                filter(None, (_about(one), words("at_once"), words.of("source", one["source"]) if one.get("source") else ""))
            )
        case "restored":
            return "；".join(map(_about, one["lifted"])) or words("nothing_lifted")
        case "held":
            until = f"，{words('held_until', until=_moment(one['until']))}" if one.get("until") else ""
            return ("；".join(map(_about, one["held"])) or words("held_nothing")) + until
        case "decided":
            return words("asked") if one["asked"] else words("asked_not")
        case "confirmed":
            return f"“{one['text']}”"
    why = words("against") if one.get("against_refusal") else words.of("sent_why", one["why"])
    return f"{words.of('category', one['category'])}，{one['signature'] or words('no_signature')}：{why}"


def _about(one: Mapping[str, Any]) -> str:
    return str(one.get("about_zh") or one.get("about") or "")


def _moment(at: str) -> str:
    return at[:19].replace("T", " ")
