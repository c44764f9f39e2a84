"""Puts the text of a journal record into Chinese.

In: a record as journal/record_text.py shows it, already masked. Out: the same with Chinese names of its kind and fields, closed words and
times. Never: a name, a number or what somebody wrote changed.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Collection, Mapping

from proxy.i18n import labels
from proxy.i18n.catalog import CLOSED, COUNTED, DIMENSIONS, in_language
from proxy.i18n.columns import STATES
from proxy.policy.time_windows import local

KINDS: Mapping[str, str] = {
    "verdict": "判定", "answer": "运营商应答", "clock": "时钟", "accepted": "运营商接收", "deliver": "上行或回执", "optout": "退订",
    "restored": "恢复接收", "said": "已答复本人", "repeated": "重复提交", "asked": "征求同意", "unreplaced": "未能替换", "rules": "规则",
    "start": "启动", "stop": "停止", "ids": "编号", "delivered": "已转交", "dropped": "已丢弃", "disowned": "不再保管", "ordered": "下达指令",
    "lifted": "解除指令", "operated": "操作", "suppressed": "登记退订", "listing": "名单开始", "listed": "名单号码", "listing-done": "名单完成",
    "evidence": "证据", "review": "复查", "refused-said": "已答复退订", "removed": "到期删除", "revised": "规则变更", "share": "共享记录",
    "erased": "已抹除", "erasure": "抹除", "consent-file": "同意凭证", "consents": "同意", "consent-event": "同意处理", "person": "个人记录",
    "told": "外部退订", "cased": "投诉", "penalized": "处罚", "counted": "计数", "counted-apart": "分项计数", "heard": "其他节点的记录",
    "named": "名称", "doubtful": "存疑回复", "decision": "存疑判定", "reply-path": "退订通路", "probe": "通路探测",
    "consent-reply": "回复同意", "torn": "损坏", "recycling": "二次放号", "erasure-requested": "删除要求",
}  # fmt: skip
FIELDS: Mapping[str, str] = {
    **DIMENSIONS, "time": "时间", "recipient": "号码", "person": "本人", "outcome": "判定", "reason": "原因", "status": "状态码",
    "revision": "规则版本", "breaches": "命中规则", "takes": "计入上限", "takes_off": "移出", "entry": "记录", "adopts": "承接",
    "keep_s": "保存秒数", "digest": "摘要", "data": "内容", "late": "迟到", "id": "编号", "ids": "编号", "template": "模板",
    "keyword": "关键词", "keywords": "关键词", "state": "状态", "consent": "同意", "asks": "征求同意", "unsigned": "无签名",
    "messages": "短信", "message": "短信", "entry_id": "记录编号", "verdict_sequence": "判定记录", "carrier_id": "运营商编号",
    "carrier": "运营商", "node": "节点", "first_id": "起始编号", "event": "事件", "events": "经过", "who": "经办人", "how": "方式",
    "why": "原因", "changes": "改动", "in_force": "生效版本", "proposed": "待批版本", "author": "提出人", "kept_out": "未生效版本",
    "beside": "附带", "serial": "序号", "names": "名称", "rows": "各行", "row": "行", "prefix": "前缀", "advertisements": "营销短信",
    "replies": "回复", "probes": "探测", "since": "起", "until": "至", "proven_at": "证实时间", "probed_at": "探测时间", "failed": "失败",
    "first_at": "最早", "last_at": "最近", "marked_at": "标记时间", "marked": "标记", "unanswered": "未答", "opt_out": "退订",
    "optouts": "退订", "scope": "范围", "value": "对象", "source": "来源", "expiry": "到期", "sender": "发送方", "text": "文字",
    "texts": "文字", "words": "文字", "said": "文字", "added": "新增", "lifted": "撤销", "refusal": "退订", "refusals": "退订",
    "file": "文件", "filed": "登记时间", "listing": "名单", "key": "条目", "number": "所填号码", "numbers": "号码", "chunk": "块",
    "chunks": "块数", "details": "说明", "command": "操作", "order": "指令", "entry_time": "记录时间", "first": "首条", "last": "末条",
    "request": "要求", "requested": "要求时间", "before": "此前", "name": "名称", "batch": "批次", "batches": "批次", "given": "同意时间",
    "given_back": "退回", "gives_back": "退回", "version": "文案版本", "proof": "凭证", "reviewer": "审核人", "note": "备注", "step": "处罚",
    "basis": "依据", "appeal": "申诉", "came": "收到", "sent": "已发", "sent_at": "发出时间", "effect": "结果", "answered": "应答",
    "answered_at": "应答时间", "accepted_at": "接收时间", "ended": "结束", "ended_at": "结束时间", "begun_at": "开始时间", "due": "期限",
    "answer_by": "答复期限", "forward_by": "转办期限",
    "forwarded": "转办时间", "reference": "工单号", "channel": "渠道", "terms": "内容", "rule": "规则",
    "share": "比例", "counts": "计数", "total": "合计", "sequence": "记录号", "kind": "种类", "body": "记录内容", "of": "对象",
    "on": "所改版本", "place": "位置", "providers": "通道商", "refused": "拒绝", "decided": "判定时间", "decision": "判定理由",
    "marketing": "营销",
    "delivers": "上行", "digested": "摘要", "now": "此刻", "yes": "成立", "held": "暂按", "problem": "问题", "figure": "数值",
    "figure_zh": "数值（中文）", "standing": "长期", "trigger": "触发", "wording": "文案", "word": "词", "by": "由", "at": "时间",
    "for_s": "秒数", "within_s": "秒内", "step_s": "步长秒", "width_s": "宽度秒", "width": "宽度", "left": "剩余", "shown": "显示",
    "start": "起", "segments": "段", "octets": "字节", "tries": "次数", "feed": "号码清单", "fingerprint": "指纹", "case": "案件",
    "capitals": "大写", "context": "上下文", "what": "内容", "say": "说明",
}  # fmt: skip
COMMANDS: Mapping[str, str] = {
    "binds kick": "断开连接", "complaint export": "导出投诉", "complaint match": "匹配被投诉的短信", "complaint show": "查看投诉案件",
    "complaint sweep": "查找投诉涉及的短信", "complaint take-answer": "取出答复材料", "consent export": "导出同意", "consent show": "查看同意",
    "evidence pack": "导出证据", "explain": "查询号码现状", "explain --message": "查询判定依据", "find": "查短信", "find export": "导出短信",
    "journal erase": "抹除个人信息", "journal person": "查询号码的散列值", "journal show": "查看日志", "optout trace": "追查退订",
    "penalty letter": "出具处罚函",
    "rules export": "导出规则", "rules reload": "重新读取规则", "subject export": "导出个人信息", "subject recycled": "登记二次放号",
    "subject show": "查看个人信息", "suppress export": "导出退订名单", "suppress show": "查看退订", "trace": "跟踪报文",
}  # fmt: skip
"""Commands as an ``operated`` record names them."""
FLAGS: Mapping[str, str] = {" --unmasked": "（完整号码）", " --full": "（完整内容）"}
_WORDS: Mapping[str, str] = {
    **STATES, **COUNTED, **labels.FATES, **labels.RECEIPTS, **labels.SCOPES, **labels.STEPS, **labels.CASES, **labels.HOW, **labels.EVENTS,
    **CLOSED["change"], "reply": "本人回复", "hotline": "热线、应用或来信", "complaint": "投诉", "officer": "人工登记",
    "import": "导入名单", "erased": "已抹除", "recycled": "号码换主", "whole": "整批登记", "reviewed": "已审核", "proof": "登记凭证",
    "stop": "停发", "suspension": "暂停", "shadow": "影子模式", "drain": "排空链路", "trial": "试运行", **DIMENSIONS,
}  # fmt: skip
WORDED = frozenset((
    "reason", "category", "event", "how", "state", "scope", "source", "effect", "step", "decided", "outcome", "channel", "marketing", "kind",
    "what", "by",
))  # fmt: skip
"""Fields that hold a word of a closed list."""
OURS = frozenset(("matched", "suppressed", "stopped", "proposed", "evidence", "answered", "raised"))
"""Events of cases and penalties whose reason begins with words of the gate."""
MOMENTS = frozenset((
    "time", "since", "until", "expiry", "given", "ended", "requested", "filed", "came", "forwarded",
    "due", "answer_by", "forward_by", "now", "entry_time", "decided", "at", "sent", "before",
    "start",
))  # fmt: skip
"""Fields that are times, with those in ``_at``."""
LAST_DAYS: Mapping[str, Collection[str]] = {
    "cased": ("answer_by", "forward_by"), "consent-file": ("until", "due"), "consent-reply": ("until",),
}  # fmt: skip
"""Fields that are the midnight after the last day that counts, by kind: that day is shown, as on pages."""
ENDLESS = ("until", "expiry", "before")
"""Whole seconds, 0 for none."""
_TOKEN = re.compile(
    r"""b(?P<bytes>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|"""
    r"""(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|<(?P<of>[A-Z]\w*)\.(?P<member>\w+): -?\d+>|(?P<opens>\b[A-Z]\w*)\("""
    r"""|\b(?P<field>[a-z_]+)=(?P<moment>(?:\d{10}(?:\.\d+)?|0(?:\.0)?)(?=[,)]))?|<(?P<octets>\d+)>|\b(?P<bare>True|False|None)\b"""
    r"""|(?P<mark>,?\)|\(|, )"""
)
_MARKS = {"(": "（", ")": "）", ",)": "）", ", ": "，"}
"""Marks between fields."""
_ASKED = re.compile(r"(?<!\S)([a-z]+)=(\S+)")
_NAMES: Mapping[str, str] = {**FIELDS, "to": "号码", "verdict": "判定"}
_HIDDEN = "（长 {}，不显示）"
_HEAD = re.compile(r"(\d+) ([a-z-]+) (.*)", re.DOTALL)


def in_chinese(text: str) -> str:
    """``4711 operated Operated(time=…, who=…)`` → ``4711 操作 （时间=2026-11-11 10:00:00，经办人=…）``."""
    head = _HEAD.fullmatch(text)
    if head is None or head[2] not in KINDS:
        return text
    sequence, kind, rest = head.groups()
    rest, behind, inner = rest.partition(" of it: ")
    field, told = "", dict[str, str]()  # ``told``: the last word of each field

    def put(found: re.Match[str]) -> str:
        nonlocal field
        if found["bytes"] is not None:
            return bytes(literal_eval(found[0])).hex()
        if (quoted := found["quoted"]) is not None:
            word = quoted[1:-1]
            if field == "scope" and rest[found.start() - 1] != "=":  # of an order: (dimension, (value, …)), …
                if not rest.startswith(", (", found.end()):
                    return _quoted("value", word, told)
                told["scope"] = word
                return _WORDS.get(word, word)
            told[field] = word
            return _quoted(field, word, told)
        if found["member"]:
            word = found["member"].lower().replace("_", "-")
            return _WORDS.get(word, word)
        if found["bare"]:
            return {"True": "是", "False": "否", "None": "无"}[found["bare"]]
        if found["opens"] or found["mark"]:
            return _MARKS.get(found[0], "（")
        if found["octets"]:
            return f"（{found['octets']} 字节，不显示）"
        field = found["field"]
        name, moment = "记录" if (kind, field) == ("delivered", "numbers") else FIELDS.get(field, field), found["moment"] or ""
        if field in LAST_DAYS.get(kind, ()) and float(moment or 0):
            return f"{name}={local(float(moment) - 1)[:10]}"
        return f"{name}={_moment(moment, field) if field in MOMENTS or field.endswith('_at') else moment}"

    shown = _TOKEN.sub(put, rest)
    return f"{sequence} {KINDS[kind]} {shown}" + (f"；其中：{in_chinese(inner)}" if behind else "")


def _quoted(field: str, word: str, told: Mapping[str, str]) -> str:
    """A text of a field: a word of a closed list in Chinese, what somebody wrote in quotes."""
    if hidden := re.fullmatch(r"<(\d+)>", word):
        return _HIDDEN.format(hidden[1])
    if field == "command":
        return _command(word)
    if field == "refused" and word in labels.REASONS:
        return labels.REASONS[word]
    closed = (field == "value" and told.get("scope") in ("category", "subcategory")) or (
        field == "said" and told.get("event") == "reviewed"
    )
    if (field in WORDED or closed) and word:
        return _WORDS.get(word, word)
    if field in ("changes", "details") or (field == "why" and told.get("what") in OURS):
        word = _ASKED.sub(_asked, in_language(word, "zh"))
    return f"“{labels.reason_in_chinese(word) if field in ('why', 'figure', 'who') else word}”"


def _asked(found: re.Match[str]) -> str:
    """``to=138****0500``, ``verdict=reject``: what a search asked for."""
    name, value = found.groups()
    if name in MOMENTS and re.fullmatch(r"\d{9,11}(?:\.\d+)?", value):
        value = local(float(value))
    return f"{_NAMES[name]}={_WORDS.get(value, value)}" if name in _NAMES else found[0]


def _moment(text: str, field: str) -> str:
    """A moment of a field; 0.0 stands for one that did not come, and 0 may be a count."""
    return "没有" if text == "0.0" or (text == "0" and field in ENDLESS) else local(float(text)) if len(text) > 1 else text


def _command(word: str) -> str:
    for flag, said in FLAGS.items():
        if word.endswith(flag):
            return _command(word.removesuffix(flag)) + said
    return COMMANDS.get(word, f"“{word}”")
