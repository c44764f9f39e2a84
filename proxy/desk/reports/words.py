"""Translates the words of the report's page and PDF into Chinese."""

from __future__ import annotations

ZH = {
    "Sheet of the day": "合规日报", "sent": "放行", "refused": "拒绝", "deferred": "暂缓", "opt-outs": "退订", "by reason": "按原因",
    "by provider": "按通道商", "by province": "按省份", "by category": "按类别", "by signature": "按签名", "Hour by hour": "逐小时",
    "What shadow rules would have stopped": "影子规则本会拦下(实际已放行)", "Rules that objected": "触发的规则",
    "Opt-outs in 10,000 advertisements": "每万条营销的退订数", "Region unknown": "归属地未知占比", "all": "全部", "provider": "通道商",
    "signature": "签名", "province": "省份", "category": "类别", "reason": "原因", "rule": "规则", "count": "条数", "share": "占比",
    "What carriers answered": "运营商应答", "answer": "应答", "numbers below": "小于", "are not told": "的数字不显示",
    "submits, a long message counts each part": "按提交计, 长短信每段算一条", "rules in force": "规则版本",
    "Head of the journal": "日志链头", "node": "节点", "up to record": "至记录", "not signed yet": "尚未签名",
    "signed once the day is rolled": "当日归档后签名",
    "(others)": "(其他)", "(none)": "(无)",
    "unknown": "未知", "marketing": "营销", "notice": "通知", "otp": "验证码", "unread": "未读取", "nothing": "无", "per 10,000": "每万条",
}  # fmt: skip


def translated(english: str, language: str) -> str:
    """A word of ours, or a name as it is."""
    return ZH.get(english, english) if language == "zh" else english
