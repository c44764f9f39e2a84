"""Tells a provider how to react to a refusal, by public reason.

Never: which rule, which count, whose wish it was, or anything else about the recipient.
"""

from collections.abc import Mapping

from proxy.i18n.phrases import LANGUAGES
from proxy.model.reasons import REASONS

HINTS: Mapping[str, tuple[str, str]] = {
    "region-ban": ("该类短信不得发往该地区，请去掉该地区的号码", "such messages may not be sent to this region: remove its numbers"),
    "region-unknown": ("号段归属地未知，请核对号码", "the region of this number is unknown: check the number"),
    "port-scope": ("该端口不得用于该地区或类别", "this port may not be used for this region or category: use another port"),
    "recipient-cap": ("已达该号码接收上限，请次日再发或减少群发", "this number has reached its limit: send fewer messages, or on another day"),
    "advertiser-cap": ("已达该广告主对该号码的上限，请减少或改日再发", "this advertiser has reached its limit for this number"),
    "category-cap": ("已达该类短信对该号码的上限，请减少或改日再发", "this number has reached its limit of such messages"),
    "otp-cap": ("验证码过于频繁，请限制重发", "verification codes are too frequent: limit how often one may be requested"),
    "same-content": ("相同内容已发过，请勿重复发送", "the same text was sent before: do not repeat it"),
    "campaign-cap": ("活动配额已用完，请停发该活动", "the campaign's quota is used up"),
    "not-permitted": ("不得发送给该号码，请从名单中移除", "the message may not be sent to this number: remove it from your list"),
    "notice-missing": ("缺少退订方式，请加上如「拒收请回复R」", "the text does not say how to opt out: add 拒收请回复R"),
    "signature-missing": ("缺少签名，请以【签名】开头", "the signature is missing: begin with 【…】"),
    "licence-expired": ("广告主资质已到期，请换证后再发", "a licence of the advertiser is over: have it renewed"),
    "filing-expired": ("签名报备已到期或未通过，请重新报备", "the filing of the signature is over or was refused: file it again"),
    "signature-unregistered": ("签名未报备，请先报备", "the signature is not registered: register it"),
    "signature-misuse": ("签名不属于该通道或端口", "the signature belongs to another provider or port"),
    "template-mismatch": ("与报备模板不符", "the text does not match its registered template"),
    "reply-path": ("发往该端口的退订回复收不到，请先修好端口", "replies to this port do not arrive: repair the port first"),
    "keyword": ("内容含不得发送的词句，请改写，可先预检", "the text contains forbidden words"),
    "link-unregistered": ("链接未报备", "the link is not registered: register it"),
    "port-misuse": ("端口用途不符", "the port is not registered for this use"),
    "text-unreadable": ("内容无法读取，请用 UCS-2 编码", "the text cannot be read: send it as UCS-2"),
    "in-review": ("内容待审核", "the text is waiting for review"),
    "quiet-hours": ("该时段不得发送营销，请改在白天", "no marketing at this time of day: send it later"),
    "holiday-hours": ("节假日该时段不得发送", "not at this time on a holiday: send it later"),
    "provider-quota": ("通道配额已用完", "your quota is used up"),
    "probation": ("新通道观察期限制", "the limits for a new provider apply"),
    "suspended": ("通道或签名已被暂停，见处罚通知", "you or this signature are suspended: see your penalties"),
    "stopped": ("运营方已紧急停止此类发送", "the operator has stopped such messages for now"),
    "malformed": ("PDU 格式错误", "the PDU is malformed"),
    "port-not-owned": ("该端口不属于您", "this port is not yours"),
    "bad-recipient": ("不是有效的手机号码", "this is not a mobile number"),
    "too-long": ("长短信分段过多", "a long message has too many parts"),
    "late-breach": ("后到的分段使内容违规", "a late part made the text violate a rule"),
    "first-part-missing": (
        "长短信须先发第一段，请从第一段起整条重发", "the first part of a long message must come first: send the whole message again in order",
    ),
    "part-differs": (
        "同一参考号下该段内容已不同，请换参考号整条重发",
        "this part was sent before with another text: send the whole message with another reference",
    ),
    "message-torn": (
        "该参考号下有未发全的长短信，请换参考号整条重发",
        "another message with this reference is incomplete: send all parts with another reference",
    ),
    "not-replaceable": ("原短信不可替换", "the message cannot be replaced"),
    "window-full": ("超出窗口，请等待应答", "your window is full: wait for responses"),
    "rate-exceeded": ("超出速率，请降低发送速度", "faster than your rate: slow down"),
    "draining": ("网关正在停止，请稍后重试", "the gate is stopping: retry later"),
    "no-route": ("暂无可用路由，请稍后重试", "no route to the carrier now: retry later"),
    "queue-full": ("拥塞，请稍后重试", "congestion: retry later"),
    "store-conflict": ("请稍后重试", "retry later"),
    "store-down": ("请稍后重试", "retry later"),
    "outcome-unknown": (
        "同一短信已发两次，运营商尚无应答，请 10 分钟后再试",
        "the same message was sent twice and the carrier has not answered: retry in 10 minutes",
    ),
    "part-early": ("第一段未到，请先发第一段再重发本段", "the first part is missing: send it first, then this part again"),
    "part-again": ("该段正在发送，请等待结果", "this part is being sent: wait for its response"),
    "parts-full": (
        "未发全的长短信过多，请把各段一起发出，稍后重试",
        "too many of your long messages are incomplete: send their parts together, and retry later",
    ),
    "journal-down": ("请稍后重试", "retry later"),
    "judge-error": ("请稍后重试", "retry later"),
}  # fmt: skip


def public_reason(reason: str) -> str:
    known = REASONS.get(reason)
    return known.public if known is not None else "not-permitted"


def hint(public: str, language: str) -> str:
    return HINTS[public][LANGUAGES.index(language)] if public in HINTS else ""
