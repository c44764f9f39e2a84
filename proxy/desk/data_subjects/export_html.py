"""Writes what is known of a person as a page for them.

It opens offline and runs nothing: what strangers wrote is escaped. In: the answer of ``subject export``, a language. Out: HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from proxy.console.offline_charts import document
from proxy.i18n.labels import CASES, CONSENTS, REASONS
from proxy.i18n.phrases import WORDS
from proxy.model.redact import printable
from proxy.operations.terminal import format_time, last_day

Rows = Iterable[Sequence[object]]
KNOWN: Mapping[str, str] = {**WORDS, **REASONS, **CASES, **CONSENTS}
HEADINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Messages that you got lately": ("您最近收到的短信", ("时间", "类别", "发送方")),
    "What you refused": ("您拒收的", ("自", "拒收谁", "方式", "状态")),
    "What you agreed to": ("您同意的", ("同意日期", "广告主", "类别", "至", "来源", "状态")),
    "What you took back": ("您撤回的同意", ("时间", "广告主", "类别")),
    "Who asked for your consent": ("向您征求过同意的", ("发送方",)),
    "Replies that a person still reads": ("待人工判断的回复", ("时间", "端口", "内容")),
    "Your complaints": ("您的投诉", ("时间", "来源", "编号", "被投诉方", "认定")),
    "Messages in the journal": ("日志中的短信", ("时间", "通道商", "端口", "类别", "结果", "原因", "内容")),
}
"""Sections: the Chinese heading, and the heads of the columns; the English ones are below."""
HEADS: Mapping[str, tuple[str, ...]] = {
    "Messages that you got lately": ("at", "kind", "of"), "What you refused": ("since", "whom", "how", "state"),
    "What you agreed to": ("on", "whose", "kind", "until", "where", "state"), "What you took back": ("at", "whose", "kind"),
    "Who asked for your consent": ("of",), "Replies that a person still reads": ("at", "port", "text"),
    "Your complaints": ("at", "source", "reference", "about", "decision"),
    "Messages in the journal": ("at", "provider", "from", "kind", "verdict", "reason", "text"),
}  # fmt: skip


def page(answer: Mapping[str, Any], language: str) -> str:
    chinese = language == "zh"

    def word(text: str) -> str:
        return KNOWN.get(text, text) if chinese else text

    about, anybody, any_kind = ("about_zh", "任何广告主", "全部类别") if chinese else ("about", "any advertiser", "all kinds")
    over, holds = ("已过期", "有效") if chinese else ("over", "in force")
    sections: dict[str, Rows] = {
        "Messages that you got lately": (
            (format_time(one["at"]), word(one["subcategory"] or one["category"]), one[about]) for one in answer["received"]
        ),
        "What you refused": (
            (format_time(one["since"]), one[about], word(one["source"]), holds if one["in_force"] else over)
            for one in answer["refusals"]
        ),
        "What you agreed to": (
            (
                format_time(one["given"])[:10], one["advertiser"] or anybody, word(one["category"]) or any_kind,
                last_day(one["until"]) if one["until"] else "", one["source"], word(one["state"]),
            )
            for one in answer["consents"]
        ),
        "What you took back": (
            (format_time(one["time"]), one["advertiser"] or anybody, word(one["category"]) or any_kind) for one in answer["withdrawn"]
        ),
        "Who asked for your consent": ((one[about],) for one in answer["asked_for_consent"]),
        "Replies that a person still reads": ((format_time(one["at"]), one["port"], one["text"]) for one in answer["doubtful_replies"]),
        "Your complaints": (
            (format_time(one["came"]), one["source"], one["reference"], one["provider"], word(one["state"])) for one in answer["complaints"]
        ),
        "Messages in the journal": (
            (
                format_time(one["at"]), one["provider"], one["from"], word(one["category"]), word(one["verdict"]),
                word(one["reason"] or ""), one["text"],
            )
            for one in answer["messages"] or ()
        ),
    }  # fmt: skip
    title = f"个人信息副本 {answer['to']}" if chinese else f"What is known of {answer['to']}"
    parts = [f"<h1>{escape(title)}</h1><p>{escape(format_time(answer['at']))} · {escape(word(answer['region']))}</p>"]
    parts += [_section(name, list(rows), chinese=chinese) for name, rows in sections.items()]
    kept = "短信记录在日志中保存 {} 天。" if chinese else "Records of messages stay in the journal for {} days."
    erased = "该号码已按要求删除，不接收营销短信。" if chinese else "The number was erased on request; it gets no marketing."
    parts.append(f"<p>{kept.format(answer['journal_days'])}</p>")
    parts += [f"<p>{erased}</p>"] if answer["forgotten"] else []
    incomplete = "不完整" if chinese else "not complete"
    parts += [f"<p>{incomplete}: {escape(fault)}</p>" for fault in answer["missing"]]
    return document(title, "".join(parts), language)


def _section(name: str, rows: Sequence[Sequence[object]], *, chinese: bool) -> str:
    heading, heads = HEADINGS[name] if chinese else (name, HEADS[name])
    if not rows:
        return f"<h2>{heading}</h2><p>{'没有' if chinese else 'none'}</p>"
    cells = (
        "".join(f'<td data-label="{of}">{escape(printable(str(cell), " "))}</td>' for of, cell in zip(heads, row, strict=True))
        for row in rows
    )
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f'<h2>{heading}</h2><table class="stack"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
