"""Tells a provider how to react to a refusal, by public reason.

In: a public reason. Out: a sentence in each language. Never: which rule, which count, whose wish it was, or anything else about
the recipient.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.reasons import REASONS

LANGUAGES = ("zh", "en")

HINTS: Mapping[str, tuple[str, str]] = {
    "region-ban": ("该类短信不得发往该地区", "such messages may not go to this region: leave it out"),
    "region-unknown": ("号段归属地未知, 请核对号码", "nobody knows the region of this number: check it"),
    "port-scope": ("该端口不得用于该地区或类别", "this port may not be used there or for that: use another"),
    "recipient-cap": (
        "已达该号码接收上限, 请次日再发或减少群发",
        "this number has had its share: send less, or on another day",
    ),
    "advertiser-cap": ("已达该广告主对该号码的上限", "this advertiser has sent its share to this number"),
    "category-cap": ("已达该类短信对该号码的上限", "this number has had its share of such messages"),
    "otp-cap": ("验证码过于频繁, 请限制重发", "codes come too often: limit how often one may be asked for"),
    "same-content": ("相同内容重复发送", "the same text was sent before: do not repeat it"),
    "campaign-cap": ("活动配额已用完", "the campaign has used up its share"),
    "not-permitted": ("不得发送给该号码, 请从名单中移除", "it may not be sent to this number: take it off your list"),
    "notice-missing": ("缺少退订方式, 请加上如「拒收请回复R」", "it does not say how to refuse: add 拒收请回复R"),
    "signature-missing": ("缺少签名, 请以【签名】开头", "there is no signature: begin with 【…】"),
    "signature-unregistered": ("签名未报备", "the signature is not registered: have it filed"),
    "signature-misuse": ("签名不属于该通道或端口", "the signature belongs to another provider or port"),
    "template-mismatch": ("与报备模板不符", "the text does not fit its registered template"),
    "reply-path": (
        "发往该端口的退订回复收不到, 请先修好端口",
        "replies to this port do not arrive: have the port mended first",
    ),
    "keyword": ("内容含不得发送的词句", "the text has words that may not be sent"),
    "link-unregistered": ("链接未报备", "the link is not registered: have it filed"),
    "port-misuse": ("端口用途不符", "the port is used for what it is not meant for"),
    "text-unreadable": ("内容无法读取, 请用 UCS-2 编码", "the text cannot be read: send it as UCS-2"),
    "in-review": ("内容待审核", "the text waits for a review"),
    "quiet-hours": ("该时段不得发送营销, 请改在白天", "no marketing at this time of day: send it later"),
    "holiday-hours": ("节假日该时段不得发送", "not at this time of a holiday: send it later"),
    "provider-quota": ("通道配额已用完", "your share is used up"),
    "probation": ("新通道观察期限制", "limits of a new provider hold"),
    "suspended": ("通道已被暂停, 见处罚通知", "you are suspended: see your penalties"),
    "stopped": ("运营方已紧急停止此类发送", "the operator has stopped such messages for now"),
    "malformed": ("PDU 格式错误", "the PDU is malformed"),
    "port-not-owned": ("该端口不属于您", "this port is not yours"),
    "bad-recipient": ("不是有效的手机号码", "this is no mobile number"),
    "too-long": ("长短信分段过多", "a long message has too many parts"),
    "late-breach": ("后到的分段使内容违规", "a part that came late made the text break a rule"),
    "first-part-missing": (
        "长短信须先发第一段, 请从第一段起整条重发",
        "the first part of a long message goes first: send all of it again, beginning with that",
    ),
    "part-differs": (
        "同一参考号下该段内容已不同, 请换参考号整条重发",
        "this part was sent with another text: send the whole message under another reference",
    ),
    "message-torn": (
        "该参考号下有未发全的长短信, 请换参考号整条重发",
        "under this reference another message never became whole: send all parts under another reference",
    ),
    "not-replaceable": ("原短信不可替换", "the message cannot be replaced"),
    "window-full": ("超出窗口, 请等待应答", "more are unanswered than your window allows: wait for answers"),
    "rate-exceeded": ("超出速率, 请降低发送速度", "faster than your rate: slow down"),
    "draining": ("网关正在停止, 请稍后重试", "the gate is stopping: come again"),
    "no-route": ("暂无可用路由, 请稍后重试", "no way to the carrier for now: come again"),
    "queue-full": ("拥塞, 请稍后重试", "too much at once: come again"),
    "store-conflict": ("请稍后重试", "come again"),
    "store-down": ("请稍后重试", "come again"),
    "outcome-unknown": (
        "同一短信已发两次, 运营商尚无应答, 请 10 分钟后再试",
        "the same message went out twice and the carrier has not answered: come again in 10 minutes",
    ),
    "part-early": ("第一段未到, 请先发第一段再重发本段", "its first part is not here: send that, and then this again"),
    "part-again": ("该段正在发送, 请等待结果", "this part is on its way: wait for what becomes of it"),
    "parts-full": (
        "未发全的长短信过多, 请把各段一起发出, 稍后重试",
        "too many of your long messages are not whole: send their parts together, and come again",
    ),
    "journal-down": ("请稍后重试", "come again"),
    "judge-error": ("请稍后重试", "come again"),
}


def outside(reason: str) -> str:
    """The public name of a reason."""
    known = REASONS.get(reason)
    return known.public if known is not None else "not-permitted"


def hint(public: str, language: str) -> str:
    return HINTS[public][LANGUAGES.index(language)] if public in HINTS else ""
