"""Translates headings of printed tables, and cells of closed lists.

Never: a cell of any other column, for it holds names, numbers or what people wrote.
"""

from collections.abc import Mapping

from proxy.i18n import labels
from proxy.i18n.catalog import FIELDS, in_language
from proxy.i18n.phrases import WORDS

HEADS: Mapping[str, str] = {
    **FIELDS,
    "about": "对象", "account": "账号", "address": "地址", "advertisements": "营销短信", "answer by": "答复期限",
    "answered": "已回复", "answered in time": "按期答复", "answers": "回复的短信", "batch": "批次", "begun": "开始",
    "by": "经办人", "came": "收到", "carrier": "运营商", "case": "案件", "day": "日期", "decided": "判定时间", "digest": "摘要", "due": "期限",
    "expected": "应有回复", "false": "误报", "fastest ms": "最快毫秒", "for": "用途", "forward by": "转办期限",
    "forwarded in time": "按期转办", "from": "来源", "hits": "命中", "holds": "暂停营销", "id": "编号", "in flight": "未应答",
    "keywords": "关键词", "label": "标签", "late": "逾期", "last minute": "最近一分钟", "last probe": "上次探测",
    "last proof": "上次证实", "licence": "资质", "message": "短信", "messages": "短信", "mode": "模式", "name": "名称",
    "new": "新增", "newest": "最新", "node": "节点", "number": "号码", "numbers": "号码数", "of": "对象", "prefix": "前缀",
    "read as code": "读作验证码", "records up to": "记录截至", "reference": "来源编号", "replies": "回复数", "request": "要求",
    "requested": "要求时间",
    "row": "行", "rule": "规则", "says": "判定", "segments": "号段数", "senders": "签名数", "since": "自",
    "since proof": "证实后营销", "surely": "肯定", "suspended": "暂停", "texts": "文案数", "tps": "条/秒", "turned": "改判",
    "type": "类型", "unread": "未读字节", "until the end of": "至当日止", "version": "文案版本", "waiting": "待处理",
    "weight": "权重", "what": "事项", "when": "时间", "where": "位置", "who": "经办人", "window": "窗口",
    "with likely": "含很可能", "word": "词", "words": "词句",
}  # fmt: skip
"""Headings of printed tables."""
STATES: Mapping[str, str] = {
    **labels.CONSENTS, **labels.FEEDS, **labels.PENALTIES, **labels.CASES, "up": "已连接", "down": "已断开", "drained": "已排空",
    "draining": "正在排空", "proven": "已证实", "unproven": "未证实", "silent": "没有回复", "dead": "不通", "waiting": "等待回复",
    "not-sent": "未发出", "ended": "中断", "failed": "没有回复",
}  # fmt: skip
TASKS: Mapping[str, str] = {
    "refused": "报备被驳回", "letter-missing": "缺授权书", "review": "待复审", "filing-expires": "报备到期",
    "signature-expires": "签名到期",
    "licence-expires": "资质到期",
}  # fmt: skip
_OVERDUE, _DONE = " overdue", {"done": "已转办"}
_ANY = {"any": "任何"}
CELLS: Mapping[str, Mapping[str, str]] = {
    "state": STATES, "step": labels.STEPS, "mode": WORDS, "verdict": WORDS, "reason": labels.REASONS, "category": WORDS | _ANY,
    "advertiser": _ANY, "forward by": _DONE, "answer by": {"done": "已答复"}, "what": TASKS, "due": {"at once": "立即"},
    "words": {"(unreadable)": "（读不出）"},
    "holds": {"nothing": "无", "refused": "已拒收", "ended": "已结束"},
    "says": {"yes": "是", "no": "否", "yes, standing": "是，长期", "no, standing": "否，长期"}, "label": WORDS, "source": WORDS,
    "for": {
        "ad": "营销用语", "price": "价格", "call": "行动号召", "topic": "话题", "notice": "通知用语", "otp": "验证码用语",
        "warning": "防诈提示", "link": "链接", "opt-out": "退订方式", "evasion": "伪装写法", "none": "中性词", "consent": "征求同意",
    },
    "messages": {**WORDS, "optouts": "回复退订"},
    "type": {"transmitter": "发送", "receiver": "接收", "transceiver": "收发"},
}  # fmt: skip
"""Closed lists by heading."""
SENTENCES = frozenset({"about", "of", "suspended", "holds", "step", "mode", "says"})
"""Headings whose cells may be sentences of the catalogs."""


def head(name: str, language: str) -> str:
    """A heading; unchanged where it is a number or a name."""
    return HEADS.get(name) or in_language(name, language) if language == "zh" else name


def cell(heading: str, text: str, language: str) -> str:
    """A cell below a heading."""
    if language != "zh":
        return text
    if (word := CELLS.get(heading, {}).get(text)) is not None:
        return word
    if text.endswith(_OVERDUE) and heading in ("due", "until the end of"):
        return cell(heading, text.removesuffix(_OVERDUE), language) + " 已逾期"
    if heading == "why":
        return labels.reason_in_chinese(text)
    return labels.without_account(in_language(text, language) if heading in SENTENCES else text)
