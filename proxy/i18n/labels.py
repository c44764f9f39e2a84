"""Maps words of closed lists to their Chinese labels.

Documents, pages and refusals show the Chinese label first and the English word beside it. Never: a stranger's text, whatever it looks like.
"""

import re
from collections.abc import Mapping

from proxy.i18n.phrases import WORDS

CASES: Mapping[str, str] = {
    "open": "待认定", "valid": "有效", "invalid": "无效", "duplicate": "重复", "withdrawn": "已撤回", "not-ours": "非本网",
}  # fmt: skip
STEPS: Mapping[str, str] = {
    "warn": "警告", "throttle": "限速", "suspend-marketing": "暂停营销类短信", "suspend-all": "暂停全部短信",
}  # fmt: skip
PENALTIES: Mapping[str, str] = {
    "proposed": "待批准", "in-force": "生效", "over": "已到期", "lifted": "已解除", "rejected": "未通过", "raised": "已加重",
    "withdrawn": "已撤回", "lapsed": "逾期未批，已失效",
}  # fmt: skip
FEEDS: Mapping[str, str] = {
    "proposed": "待批准", "approved": "已批准", "rejected": "未通过", "withdrawn": "已撤回", "lapsed": "逾期未批，已失效",
}  # fmt: skip
REQUESTS: Mapping[str, str] = {"proposed": "待复核", "approved": "已删除", "rejected": "不予删除", "withdrawn": "已撤回"}
"""Of people who ask to be erased."""
ERASED: Mapping[str, str] = {
    "refusals": "拒收记录", "consents_and_lists": "同意和名单", "withdrawn": "撤回同意的记录", "asked_for_consent": "征求同意的记录",
    "texts": "所拒收一方的短信内容", "numbers_in_complaints": "投诉中的号码",
}  # fmt: skip
"""What is gone of a person who was erased."""
ANSWERS: Mapping[str, str] = {
    "accepted": "运营商已接收", "taken-back": "运营商拒绝，不计数", "unknown": "无应答，计数", "late-accepted": "运营商迟到接收",
    "late-taken-back": "运营商迟到拒绝，不计数", "still-unknown": "拒绝，先前可能已送达：计数",
    "late-still-unknown": "迟到拒绝，先前可能已送达：计数", "part-refused": "其中一段被拒", "late-part": "其中一段迟到应答",
}  # fmt: skip
RECEIPTS: Mapping[str, str] = {
    "ENROUTE": "在途", "DELIVRD": "已送达", "EXPIRED": "已过期", "DELETED": "已删除", "UNDELIV": "未送达",
    "ACCEPTD": "已受理", "UNKNOWN": "未知", "REJECTD": "被拒收",
}  # fmt: skip
"""SMPP 3.4 §5.2.28 and appendix B."""
CONSENTS: Mapping[str, str] = {
    "granted": "已同意", "absent": "没有同意", "expired": "已过期", "revoked": "已撤回", "unreviewed": "证明未审核",
    "accepted": "证明已认可", "rejected": "证明未认可", "withdrawn": "已撤回",
}  # fmt: skip
EVENTS: Mapping[str, str] = {
    **CASES, **PENALTIES, "valid": "认定有效", "invalid": "认定无效", "duplicate": "认定重复", "not-ours": "认定非本网",
    "filed": "立案", "answered": "已答复", "matched": "匹配短信", "forwarded": "转办", "reopened": "重新打开", "suppressed": "停止营销",
    "stopped": "停发", "evidence": "导出证据", "forgotten": "删除个人信息", "vouched": "认领", "approved": "批准", "appealed": "申诉",
    "proposed": "提出", "rejected": "驳回", "lifted": "解除",
    "accepted": "生效", "rolled-back": "回退", "kept-out": "未采用",
}  # fmt: skip
"""What happened with a case, a penalty, a set of rules."""
HOW: Mapping[str, str] = {
    "first start": "首次启动", "start": "启动", "files": "目录改动", "reload": "重新读取", "command": "控制台或命令", "push": "提交",
}  # fmt: skip
"""How a set of rules came."""
FATES: Mapping[str, str] = {
    "answer": "运营商", "receipt": "回执", "reply": "上行", "optout": "回复退订", "restore": "回复恢复", "review": "待判定",
    "stopped": "登记退订",
    "held": "暂停", "restored": "恢复", "confirmed": "已答复本人", "officer": "人工登记",
}  # fmt: skip
"""What became of a message, and what a person answered."""
GONE: Mapping[str, str] = {
    "refusals": "退订", "consents and lists": "同意和名单", "withdrawn": "撤回", "asked for consent": "征求同意", "texts": "文案",
    "numbers in complaints": "投诉中的号码",
}  # fmt: skip
"""What is deleted with a person."""
ENDS: Mapping[str, str] = {"opt-out": "退订", "withdrawal": "撤回"}  # causes for the end of a consent
SCOPES: Mapping[str, str] = {
    "all": "全部营销", "advertiser": "广告主", "signature": "签名", "provider": "通道商", "port": "端口", "category": "类别",
}  # fmt: skip
REASONS: Mapping[str, str] = {
    "region-ban": "该省号码不得接收", "region-unknown": "归属地查不到", "port-scope": "端口不得发往那里或不得发这类",
    "recipient-cap": "这个号码收够了", "advertiser-cap": "这个广告主发够了", "category-cap": "这一类发够了", "otp-cap": "验证码太多",
    "same-content": "相同内容重复", "campaign-cap": "活动期间封顶", "suppressed": "号码退订了",
    "renamed-sender": "被退订的一家换名义再发", "complaint": "号码投诉过", "protected": "受保护的号码", "consent-missing": "没有同意",
    "consent-repeat": "已经征求过同意", "notice-missing": "没有退订方式或位置不对", "signature-missing": "没有签名或多个签名",
    "licence-expired": "广告主资质过期", "filing-expired": "签名报备过期或被驳回",
    "signature-unregistered": "签名没报备", "signature-misuse": "签名报备给了别家", "template-mismatch": "与报备模板不符",
    "reply-path": "端口的退订通路不通",
    "keyword": "禁发词", "link-unregistered": "链接没登记", "port-misuse": "端口用途不符", "text-unreadable": "文本读不出",
    "in-review": "等人工审核", "quiet-hours": "这个时段不发", "holiday-hours": "这一天不发", "provider-quota": "通道商额度用完",
    "probation": "通道商新入网或被观察", "suspended": "通道商或签名被暂停", "stopped": "这类被紧急停发",
    "malformed": "PDU 不合 SMPP 3.4", "port-not-owned": "主叫号码不是该通道商的", "bad-recipient": "不是大陆手机号",
    "first-part-missing": "长短信的后段第三次早于第一段到达", "part-differs": "同一参考号下内容或段数不同",
    "message-torn": "该参考号下有未发全的长短信，请换参考号", "part-early": "长短信的后段早于第一段到达", "part-again": "同一段重复提交",
    "parts-full": "该通道商未发全的长短信过多",
    "too-long": "超过 20 段的长短信", "late-breach": "晚到的一段让整条违规", "not-replaceable": "要替换的短信已不认识，或只是其中一部分",
    "window-full": "未应答的超过窗口", "rate-exceeded": "超过通道商速率或限速规则", "draining": "网关正在停",
    "no-route": "没有到运营商的链路", "queue-full": "这一类排队太多，或限速用完", "store-conflict": "号码记录一直在变",
    "store-down": "存储读写不了", "outcome-unknown": "同一条已发两次，运营商还没应答",
    "journal-down": "日志写不了（磁盘满或只读）", "judge-error": "网关自身故障",
}  # fmt: skip
"""The reasons of rules/README.md: those of rules, then those of the gate itself."""


_SINCE, _COUNT = r"since (\d{4}-\d\d-\d\d [\d:]{8})", r"([\d,]+)"
_PATHS: Mapping[str, str] = {"proven": "已验证", "unproven": "未验证", "silent": "无回复", "dead": "不通"}
_OWN = tuple(
    (re.compile(f"^{english}"), chinese)
    for english, chinese in (
        (r"case (\d+): ", r"案件 \1："), (r"told by (.+)$", r"由\1告知"), ("its time is over$", "到期"),
        ("the trial is over$", "试运行结束"), ("its penalty has ended$", "处罚已结束"), (r"order (\d+) was lifted$", r"指令 \1 已解除"),
        (r"retention: (\d+) days$", r"保留期限 \1 天"), (r"penalty-(\d+)$", r"处罚 \1"),
        (r"recycled-(\d+) \((.+?)\) by (.+?): ", r"第 \1 批放号名单（\2，\3 提出）："),
        (f"{_COUNT} valid complaints in {_COUNT} messages {_SINCE}: (.+) in a million$", r"自 \3 起 \2 条短信中有效投诉 \1 件：百万分之 \4"),
        (f"{_COUNT} opt-outs by reply in {_COUNT} marketing messages {_SINCE}: (.+%)$", r"自 \3 起 \2 条营销短信中回复退订 \1 次：\4"),
        (f"{_COUNT} marketing messages {_SINCE}: (.+) times what was usual before$", r"自 \2 起营销短信 \1 条：是此前平时的 \3 倍"),
        (
            rf"{_COUNT} messages refused \((.+)\) {_SINCE}$",
            lambda found: f"自 {found[3]} 起被拦下 {found[1]} 条（{_each(found[2], REASONS)}）",
        ),
        (
            rf"replies to {_COUNT} registered port prefixes do not arrive \((.+)\); {_COUNT} marketing messages {_SINCE}$",
            lambda found: (
                f"{found[1]} 个登记端口的退订通路不通（{_each(found[2], _PATHS)}）；自 {found[4]} 起营销短信 {found[3]} 条"
            ),
        ),
    )
)  # fmt: skip
"""Reasons that the gate itself writes (of orders, penalties and what triggers measure), or puts before what somebody wrote."""


def _each(words: str, of: Mapping[str, str]) -> str:
    """``1069001 dead, …``: the last word of each in Chinese."""
    parts = (one.rpartition(" ") for one in words.split(", "))
    return "、".join(f"{before}{blank}{of.get(word, word)}" for before, blank, word in parts)


_ACCOUNT = re.compile(r" \(uid \d+(?:, pid \d+)?\)")


def reason_in_chinese(why: str) -> str:
    """What somebody wrote as the reason; what the gate itself wrote, or put before it ("case 3: "), in Chinese."""
    for english, chinese in _OWN:
        why = english.sub(chinese, why)
    return why


def without_account(who: str) -> str:
    """A person without the account and the process that the journal keeps beside the name."""
    return _ACCOUNT.sub("", who)


def both(word: str | None, of: Mapping[str, str] = WORDS) -> str:
    """``有效 valid``; the word alone if the list has no label for it."""
    if not word:
        return ""
    chinese = of.get(word)
    return f"{chinese} {word}" if chinese else word
