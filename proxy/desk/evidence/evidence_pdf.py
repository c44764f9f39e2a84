"""Draws evidence and penalty letters as PDF pages.

In: mappings as the pack has them. Out: bytes of a PDF, equal for equal input. Never: markup (texts are strangers' words), a picture, a file
or an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Spacer, Table, TableStyle

from proxy.console import pdf_text
from proxy.console.pdf_text import FONT, LINE, MARGIN, SOFT, document, paragraph, plain
from proxy.i18n import labels
from proxy.i18n.catalog import in_language
from proxy.policy import time_windows
from proxy.policy.explanation.lines import FEATURES

PADDING = 6  # the frame's own, in points
WIDTH = pdf_text.WIDTH - 2 * PADDING
CHARS_MAX = 3000
"""Of one cell: more is in the JSON beside it."""
CASES_MAX = 500
OFF = "off"
"""What a rule says that is switched off."""
NO_BASIS = "未写明"
"""The letter names no basis that nobody has entered."""
NEVER_HELD: Mapping[str, str] = {
    "proposed": "草稿：尚未批准，不生效", "rejected": "未获批准，从未生效", "withdrawn": "已撤回，从未生效", "lapsed": "逾期未批，从未生效",
}  # fmt: skip
HOLDS_NO_MORE: Mapping[str, str] = {"lifted": "解除", "over": "到期", "raised": "由更重的处罚取代"}
_BIG = ParagraphStyle("big", fontName=FONT, fontSize=17, leading=23)
_HEAD = ParagraphStyle("head", fontName=FONT, fontSize=11, leading=15, spaceBefore=10, spaceAfter=4, textColor=SOFT)
_TEXT = ParagraphStyle("text", fontName=FONT, fontSize=10, leading=15, wordWrap="CJK", spaceAfter=5)
_CELL = ParagraphStyle("cell", fontName=FONT, fontSize=8.5, leading=12, wordWrap="CJK")
_SOFT = ParagraphStyle("soft", parent=_CELL, textColor=SOFT)

Rows = Sequence[tuple[str, Any]]


def evidence(fields: Mapping[str, Any]) -> bytes:
    """The pages of a pack. ``fields``: its evidence.json."""
    return _document(f"证据包 Evidence {fields['message']['message']}", _evidence(fields))


def letter(penalty: Mapping[str, Any], cases: Sequence[Mapping[str, Any]], now: float) -> bytes:
    """To a provider about a penalty, with the complaints it rests on as annex."""
    return _document(f"处罚通知书 {penalty['id']}", _letter(penalty, cases, now))


def receipt(request: Mapping[str, Any], now: float) -> bytes:
    """To a person who asked to be erased: what was done, what is gone, what stays and why."""
    return _document(f"个人信息删除回执 {request['id']}", _receipt(request, now))


def _document(title: str, parts: Iterator[Any]) -> bytes:
    def foot(canvas: Canvas, page: Any) -> None:
        canvas.setFont(FONT, 8)
        canvas.setFillColor(SOFT)
        canvas.drawRightString(A4[0] - MARGIN - PADDING, 10 * mm, plain(f"{title}，第 {page.page} 页"))

    whole = [_paragraph(title, _BIG), Spacer(0, 3 * mm), *parts]
    return document(title, whole, 18 * mm, onFirstPage=foot, onLaterPages=foot)


def _evidence(fields: Mapping[str, Any]) -> Iterator[Any]:
    message, proof = fields["message"], fields["proof"]
    yield _paragraph("号码已隐去" if fields["masked"] else "含完整号码，仅供有权查阅者使用", _SOFT)
    if case := fields.get("case"):
        yield _paragraph("投诉 Complaint", _HEAD)
        yield _pairs([
            ("案件 case", f"{case['id']} ({case['source']} {case['reference']})"), ("认定 state", labels.both(case["state"], labels.CASES)),
            ("投诉人 number", case["to"]),
            ("反映的时间 time", _when(case["at"])), ("反映的端口 sender", case["sender"]), ("反映的内容 text", case["text"]),
        ])  # fmt: skip
    yield _paragraph("短信 Message", _HEAD)
    yield _pairs([
        ("记录 record", message["message"]), ("时间 time", _stamp(message["at"])),
        ("通道商 provider", f"{message['provider']} ({message['account']})"),
        ("端口 from", message["from"]), ("接收人 to", message["to"]), *_read(message),
        ("内容 text", message["text"]),
        ("结果 verdict", ", ".join(filter(None, (
            labels.both(message["verdict"]), labels.both(message["reason"], labels.REASONS), message["rule"],
        )))),
        ("规则版本 revision", message["revision"]), ("今日规则 today", _today(message)),
        ("运营商应答 answers", "; ".join(f"{_stamp(one['at'])} {labels.both(one['effect'], labels.ANSWERS)}" for one in message["answers"])),
        ("回执 receipts", "; ".join(f"{_stamp(one['at'])} {labels.both(one['state'], labels.RECEIPTS)}" for one in message["receipts"])),
    ])  # fmt: skip
    person = message["person"]
    refused = (f"{_whom(one)}（{labels.both(one['source'])}，{_stamp(one['since'])}）" for one in person["refusals"])
    later = (f"{_stamp(one['at'])} {_whom(one)}" for one in person["refused_later"])
    erased = f"已按本人要求删除 erased {_stamp(person['erased'])}" if person.get("erased") else ""
    yield _paragraph("当时此人的状态 The person then", _HEAD)
    yield _pairs([
        ("已拒收 refused", "；".join(refused)),
        ("已收短信 received", erased or f"{len(person['received'])}"),
        ("之后拒收 refused later", "；".join(later)),
    ])  # fmt: skip
    yield _paragraph("同意证明 Consent", _HEAD)
    consents = fields["consents"]
    given = [
        (one["advertiser"], labels.both(one["state"], labels.CONSENTS), one["since"], one["until"], _proof_of(one))
        for one in consents
    ]
    heads = ("广告主 advertiser", "状态 state", "自 from", "至 to", "证明 proof")
    yield _table(heads, given, "没有登记的同意 No consent is registered", (3, 2, 3, 3, 5))
    yield _paragraph("规则 Rules", _HEAD)
    off = [one["rule"] for one in fields["rules"] if one["says_en"] == OFF]
    on = [one for one in fields["rules"] if one["says_en"] != OFF]
    says = [(one["rule"], one["say"], one["basis"], f"{one['says']}：{one['why']}") for one in on]
    nothing = "没有启用的规则 No rule was on" if off else "当时的规则没有保留 The rules of then are not kept"
    yield _table(("规则 rule", "说明 say", "依据 basis", "判定 says"), says, nothing, (3, 5, 3, 5))
    if off:
        yield _paragraph(f"已关闭 off：{', '.join(off)}", _SOFT)
    yield _paragraph("日志链 Chain", _HEAD)
    yield _pairs([
        ("记录摘要 record", proof["record_digest"]), ("提交组 group", f"…{proof['group']['last']}: {proof['group']['digest']}"),
        ("日志段 segment", proof["segment"]), ("当日签名 head", _head(proof)),
        ("证明了什么 proves", f"{proof['proves']['zh']} {proof['proves']['en']}"),
    ])  # fmt: skip
    yield _paragraph(
        "核验：python3 verify.pyz 此压缩包（--key 公布的公钥，--head 公布的当日摘要）；装有 gate106 的机器：gate106 evidence verify",
        _SOFT,
    )


def _read(message: Mapping[str, Any]) -> Rows:
    """The analysis of the message; only its category if the rules of then are not kept."""
    then = message.get("then")
    if then is None:
        return [("类别 category", labels.both(message["category"]))]
    declared, classified = labels.both(then["declared"]), labels.both(then["classified"])
    found = (
        f"{FEATURES.get(one['kind'], one['kind'])} {one.get('shown', one['what'])}（{one['weight']}）"
        for one in then["features"]
    )
    how = f"申报 declared：{declared}；内容判定 classified：{classified}，得分 score {then['marketing']['score']}"
    return [
        ("归属地 region", f"{then['province']} {then['city'] or ''}".rstrip()), ("签名 signature", then["signature"]),
        ("广告主 advertiser", then["advertiser"]), ("类别 category", f"{labels.both(then['category'])}（{how}）"),
        ("判定所据 found", "；".join(found)),
    ]  # fmt: skip


def _whom(refusal: Mapping[str, Any]) -> str:
    """What a refusal covers, in both languages; a pack of an earlier gate has the value alone."""
    if "about" not in refusal:
        return f"{labels.both(refusal['scope'], labels.SCOPES)} {refusal['value']}".rstrip()
    return f"{refusal['about_zh']} {refusal['about']}"


def _today(message: Mapping[str, Any]) -> str:
    today = message.get("today")
    if today is None:
        return ""
    if today["revision"] == message["revision"]:
        return "规则未变 the rules are the same"
    return ", ".join(filter(None, (labels.both(today["verdict"]), labels.both(today["reason"], labels.REASONS))))


def _head(proof: Mapping[str, Any]) -> str:
    if not proof["head"]:
        return "当日尚未结束 not signed yet"
    return f"{proof['table'][7]}, records {proof['table'][0]}–{proof['table'][1]}"


def _letter(penalty: Mapping[str, Any], cases: Sequence[Mapping[str, Any]], now: float) -> Iterator[Any]:
    trigger, fact = penalty["trigger"], penalty["figure_zh"] or penalty["figure"] or penalty["say"]
    step = labels.STEPS[penalty["step"]] + (f"至原速率的 {penalty['share']:.0%}" if penalty["step"] == "throttle" else "")
    ended = penalty.get("ended") or penalty["until"]
    span = f"，期限 {penalty['for_s'] / 86_400:g} 天"
    span += f"，自 {_when(penalty['since'])} 至 {_when(ended)}" if penalty["since"] else ""
    yield from _paragraphs(_not_in_force(penalty), f"致：{penalty['provider'] or penalty['value']}")
    yield _paragraph(f"编号：{penalty['id']} | 日期：{_when(now)[:10]} | 状态：{labels.PENALTIES[penalty['state']]}", _SOFT)
    yield Spacer(0, 2 * mm)
    yield from _paragraphs(
        fact and f"事实：{fact}",
        penalty["events"] and not trigger and f"理由：{penalty['events'][0]['why']}",  # a rule's reason is what it has measured
        trigger and f"规则：{penalty['say'] or trigger}（规则版本 {penalty['revision']}）",
        f"依据：{penalty['basis'] or NO_BASIS}",
        penalty["by"]
        and f"范围：{labels.SCOPES[penalty['by']]} {penalty['value']}" + ("" if penalty["provider"] else "，不限通道商"),
        f"决定：{step}{span}",
        penalty["state"] in ("proposed", "in-force") and "到期自动恢复。如有异议，请书面申诉并附证明；申诉期间处罚继续执行。",
    )
    yield Spacer(0, 6 * mm)
    yield _paragraph("签发单位（盖章）：____________________ | 签发人：______________ | 日期：______________", _TEXT)
    yield Spacer(0, 4 * mm)
    yield _pairs([
        ("通道商", penalty["provider"]), ("范围", f"{labels.SCOPES.get(penalty['by'], '')} {penalty['value']}".strip()),
        ("决定", step), ("自", _when(penalty["since"])), ("至", _when(ended) if penalty["since"] else ""), ("事实", penalty["figure_zh"]),
        ("依据", penalty["basis"]), ("申诉", penalty["appeal"]),
    ])  # fmt: skip
    yield _paragraph("附件：有效投诉", _HEAD)
    heads = ("案件", "来源编号", "时间", "号码", "端口", "签名", "短信")
    names = ("id", "reference", "at", "to", "port", "signature", "message")
    rows = [[_when(one[name]) if name == "at" else one[name] for name in names] for one in cases[:CASES_MAX]]
    yield _table(heads, rows, "没有", (2, 4, 5, 4, 4, 3, 3))
    if len(cases) > CASES_MAX:
        yield _paragraph(f"另有 {len(cases) - CASES_MAX} 件", _SOFT)


def _receipt(request: Mapping[str, Any], now: float) -> Iterator[Any]:
    decided, alone = _when(request["decided"]), request["who"].partition(" (")[0] == request["author"]
    done = {
        "proposed": "正在由第二人复核，复核后另发回执。",
        "approved": f"{'' if alone else '经第二人复核，'}已于 {decided} 删除。",
        "rejected": f"已于 {decided} 决定不予删除：{request['decision']}。如有异议，请书面提出。",
        "withdrawn": f"该要求已于 {decided} 撤回：{request['decision']}。",
    }[request["state"]]
    yield from _paragraphs(f"致：号码 {request['to']} 的机主")
    yield _paragraph(
        f"编号：{request['id']} | 日期：{_when(request['decided'] or now)[:10]} | 状态：{labels.REQUESTS[request['state']]}",
        _SOFT,
    )
    yield Spacer(0, 2 * mm)
    yield from _paragraphs(
        f"您要求删除个人信息，我们于 {_when(request['time'])} 收到。该号码自那时起登记为不接收营销短信。",
        done,
    )
    if "gone" in request:
        yield _paragraph("已删除", _HEAD)
        yield _pairs([(labels.ERASED.get(name, name), f"{count}") for name, count in request["gone"].items()])
        yield _paragraph("依法保留", _HEAD)
        kept = [
            (one.get("what_zh", one["what"]), one.get("why_zh", one["why"]), _when(one["until"]) or "长期")
            for one in request["stays"]
        ]
        yield _table(("内容", "依据", "保留至"), kept, "没有", (5, 5, 3))
    yield Spacer(0, 6 * mm)
    yield _paragraph("经办单位（盖章）：____________________ | 经办人：______________ | 日期：______________", _TEXT)


def _not_in_force(penalty: Mapping[str, Any]) -> str:
    """Why the penalty is not in force, since when; empty if it is. It stands at the top."""
    state = penalty["state"]
    last: Mapping[str, Any] = next(
        (one for one in reversed(penalty["events"]) if one.get("what") == state), {"time": 0.0, "why": ""}
    )
    if state in NEVER_HELD:
        return NEVER_HELD[state]
    if state not in HOLDS_NO_MORE:
        return ""
    why = in_language(last["why"], "zh") if state == "raised" else last.get("why")
    return f"本处罚已于 {_when(penalty.get('ended') or last['time'])} {HOLDS_NO_MORE[state]}" + (f"：{why}" if why else "")


# -- pieces


def _when(at: float) -> str:
    return time_windows.local(at) if at else ""


def _proof_of(one: Mapping[str, Any]) -> str:
    """What proves a consent, by reply or not, and what ended it."""
    proof = str(one["proof"])
    if (reply := one.get("reply")) is not None:
        proof += (
            f"；回复 reply “{reply['text']}” {_stamp(reply['time'])} → {reply['port']}；"
            f"请求 request {reply['message']}，{_stamp(reply['requested'])}：{one['wording']}"
        )
    if (ended := one.get("ended")) is not None:
        proof += f"；终止于 ended {_stamp(ended['time'])}（{labels.both(ended['by'], labels.ENDS)}）"
    return proof


def _stamp(written: str) -> str:
    """A moment as the JSON has it (2026-11-11T10:00:00+08:00), as the other moments of the page."""
    return written[:19].replace("T", " ")


def _paragraph(text: object, style: ParagraphStyle) -> Paragraph:
    return paragraph(str(text)[:CHARS_MAX], style)


def _paragraphs(*texts: Any) -> Iterator[Paragraph]:
    """A paragraph of each text that is one."""
    return (_paragraph(text, _TEXT) for text in texts if text)


def _pairs(rows: Rows) -> Table:
    shown = [(_paragraph(name, _SOFT), _paragraph(value, _CELL)) for name, value in rows if value not in (None, "")]
    return _styled(Table(shown or [("", "")], colWidths=(38 * mm, WIDTH - 38 * mm), splitInRow=1))


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]], nothing: str, widths: Sequence[int]) -> Any:
    """``widths``: of the columns, in proportion."""
    if not rows:
        return _paragraph(nothing, _SOFT)
    both_lines = [[_paragraph(part, _SOFT) for part in head.split(" ", 1)] for head in heads]
    cells = [both_lines, *([_paragraph(cell, _CELL) for cell in row] for row in rows)]
    return _styled(Table(cells, colWidths=[WIDTH * width / sum(widths) for width in widths], repeatRows=1, splitInRow=1))


def _styled(table: Table) -> Table:
    table.setStyle(
        TableStyle([
            ("FONTNAME", (0, 0), (-1, -1), FONT),
            ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ])
    )  # fmt: skip
    return table
