"""Conditions that compare one field or the contacts of a message.

One entry each of KINDS: its word is the one in YAML, and for a field its name in RuleSet.field.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import NOTHING, Bilingual
from proxy.model.message import CATEGORY_WORDS
from proxy.policy.condition import OneOf, Tree
from proxy.policy.kinds import Kind, KindContext
from proxy.policy.loading.schema_parts import NAME, TEXT, Shape, among, some, suggested
from proxy.policy.loading.source import Node
from proxy.policy.registries import registered_contacts
from proxy.policy.registries.registry import STATE_WORDS
from proxy.policy.text.category import SUBCATEGORIES

Values = Callable[[Node, KindContext], Iterable[str]]

TEXT_STATES = ("readable", "unreadable", "binary", "compressed", "wap-push", "empty")
TEMPLATE_WORDS = ("matched", "mismatched", "unregistered")
_SUBCATEGORIES = (*SUBCATEGORIES[1:], "none")


def _kind(
    word: str, about: Bilingual, mend: Bilingual, shape: Shape, values: Values, *, in_record: str = "", hint: str = ""
) -> Kind:
    def condition(node: Node, context: KindContext) -> Tree:
        return OneOf(word, frozenset(values(node, context)))

    return Kind(word, condition, in_record, hint, Bilingual(f"{word}: {about}", about.zh), some(shape), mend)


def _contacts(word: str, about: Bilingual, mend: Bilingual) -> Kind:
    def condition(node: Node, context: KindContext) -> Tree:
        return registered_contacts.condition(word, node, context.registry)

    about = Bilingual(f"{word}: {about}", about.zh)
    return Kind(word, condition, "", "", about, registered_contacts.SHAPES[word], mend)


def _names(word: str) -> Values:
    return lambda node, context: node.texts(word, digits=True)


def _words(word: str, known: Collection[str], noun: str = "value") -> Values:
    return lambda node, context: node.words(word, known, noun)


def _registered(word: str, known: Callable[[KindContext], Collection[str]]) -> Values:
    def values(node: Node, context: KindContext) -> Iterable[str]:
        for item in node.items():
            name = item.text(word, digits=True)
            if name not in known(context) and name != "none":
                problem = unknown(word, name, known(context))
                raise item.fault(f"{word}: {problem}; registries/signatures.csv does not name it")
        return node.texts(word, digits=True)

    return values


def _cities(node: Node, context: KindContext) -> Iterable[str]:
    names: set[str] = set()
    for item in node.items():
        written = item.text("city")
        found = context.regions.city_of(written)
        if found is None:
            raise item.fault(f"city: {unknown('city', written, context.regions.cities)}; no segment lies there")
        names.add(found)
    node.texts("city")
    return names


def _templates(node: Node, context: KindContext) -> Iterable[str]:
    names = context.registry.templates.names
    words = set(node.words("template", [*TEMPLATE_WORDS, *names], "template"))
    return words | names if "matched" in words else words


KINDS = (
    _kind(
        "account",
        Bilingual("The account (system_id) that submitted the message. account: jia-2.", "从哪个账号（`system_id`）进来"),
        Bilingual("nothing in the message: the rule is about the account it comes from", "短信本身改不了：规则针对发送账号"),
        NAME, _names("account"), hint="a record keeps the provider, not its account: use provider",
    ),
    _kind(
        "advertiser",
        Bilingual(
            "The advertiser behind the signature, by registries/signatures.csv. advertiser: 某公司; none without a signature.",
            "签名背后的公司（按报备表）；`none` 没有签名",
        ),
        Bilingual("nothing in the message: the rule is about the advertiser", "短信本身改不了：规则针对广告主"),
        suggested(("none",)), _registered("advertiser", lambda context: context.registry.advertisers), in_record="signature",
    ),
    _kind(
        "category",
        Bilingual(
            "The effective category: the stricter of declared and classified. category: marketing.",
            "最终类别：验证码 `otp`、通知 `notice`、营销 `marketing`；取申报和内容判定里更严的一个，把广告报成通知没有用",
        ),
        NOTHING,
        among(CATEGORY_WORDS), _words("category", CATEGORY_WORDS, "category"), in_record="category",
    ),
    _kind(
        "city",
        Bilingual(
            "The city of the recipient's number (advisory). city: 南京; short names such as 巴州 are understood.", "号码归属城市"
        ),
        Bilingual("leave out people who live there", "不发给归属地在那里的号码"),
        TEXT, _cities, in_record="person",
    ),
    _kind(
        "declared",
        Bilingual(
            "The category that the sender declared for the message. declared: [otp, notice].",
            "发送方申报的类别：报备模板的类别，其次端口唯一登记的类别，其次设置里通道商的类别，都没有就算营销",
        ),
        Bilingual(
            "declare it as what it is: the port, the template or the provider's category",
            "按实际类别申报（端口、模板或通道商默认类别）",
        ),
        among(CATEGORY_WORDS), _words("declared", CATEGORY_WORDS, "category"),
        hint="a record keeps the effective category: use category",
    ),
    _kind(
        "group",
        Bilingual(
            "The group of the advertiser, by registries/signatures.csv. group: 某公司; none without a signature.",
            "签名背后公司所属的集团",
        ),
        Bilingual("nothing in the message: the rule is about the advertiser's group", "短信本身改不了：规则针对广告主所属集团"),
        suggested(("none",)), _registered("group", lambda context: context.registry.groups), in_record="signature",
    ),
    _kind(
        "provider",
        Bilingual("The channel provider, by its name in the settings. provider: [jia, yi].", "由哪家通道商发来（设置里的名字）"),
        Bilingual("nothing in the message: the rule is about the provider", "短信本身改不了：规则针对通道商"),
        NAME, _names("provider"), in_record="provider",
    ),
    _kind(
        "signature_state",
        Bilingual(
            "The state of the signature in the registry. signature_state: [unregistered, misused, expired].",
            "签名的报备状态：已提交、已报备、过期、撤销；`unregistered` 没报备；`misused` 报备给了别的通道商或端口；`none` 没"
            "有签名。宽窄、空格、大小写、形近字、繁体都算同一个签名",
        ),
        Bilingual(
            "have the signature registered and approved for this provider and port (registries/signatures.csv)",
            "把签名报备给本通道商和端口并审核通过（登记在签名表）",
        ),
        among(STATE_WORDS), _words("signature_state", STATE_WORDS),
        hint="a record keeps the signature, not its state then: use signature or advertiser",
    ),
    _kind(
        "subcategory",
        Bilingual(
            "The sub-category by the text: loan, estate, medical and others. subcategory: [loan, estate]; none is a value.",
            "细分类别：贷款、房产、医美、博彩、荐股、招聘、催收、烟酒、游戏、征求同意；`none` 都不是",
        ),
        Bilingual("take out what speaks of the subject (see what was found)", "去掉涉及该类的字词（见命中的字词）"),
        among(_SUBCATEGORIES), _words("subcategory", _SUBCATEGORIES, "sub-category"), in_record="subcategory",
    ),
    _kind(
        "template",
        Bilingual(
            "The registered template of the text, by registries/templates.csv. template: a template's name, matched (any), "
            "mismatched (its signature has templates, but none of them fits), unregistered (its signature has none).",
            "是不是报备的模板：模板名；`matched` 是其中之一；`mismatched` 签名有模板但都对不上；`unregistered` 签名没有模板",
        ),
        Bilingual(
            "send the text as it is registered, or have it registered (registries/templates.csv)",
            "按报备的模板发送，或先报备模板（登记在模板表）",
        ),
        suggested(TEMPLATE_WORDS), _templates,
        hint="a record keeps the text's fingerprint: count with key: [recipient, template], or by signature",
    ),
    _kind(
        "text_state",
        Bilingual(
            "Whether the text can be read at all. text_state: [unreadable, compressed].",
            "文本可读、读不出、二进制、压缩、WAP 推送、空",
        ),
        Bilingual(
            "send a text that can be read: GSM 7-bit, Latin-1 or UCS-2, not compressed, without controls that change its order",
            "发送可读的文本（GSM 7位、Latin-1 或 UCS-2，不压缩，不含改变显示顺序的控制符）",
        ),
        among(TEXT_STATES), _words("text_state", TEXT_STATES),
    ),
    _contacts(
        "url",
        Bilingual(
            "Links in the text. url: none, present, some of these (url: [\"t.cn\"]), or {outside: [...]}: any that is not one of these; "
            "{outside: registered}: any that is registered neither for the advertiser, nor for the provider, nor for everybody.",
            "文中链接：指定域名、`outside` 之外的、`registered` 没登记的、`none` 没有、`present` 有",
        ),
        Bilingual(
            "use only links that the rule allows, or have them registered (registries/contacts.csv)",
            "只用规则允许的链接，或先登记在联系方式表",
        ),
    ),
    _contacts(
        "contact",
        Bilingual(
            "Telephone numbers in the text, and contacts of other kinds. contact: none and present mean telephone numbers. "
            "contact: [\"4008001234\", \"wechat:qinghe88\"]: one of these. "
            "{outside: [...]}: a telephone number, or a contact of a kind in the list, that is not one of these. "
            "{kind: [wechat, qq]}: a contact of these kinds; any of them. "
            "{outside: registered}: a contact of any kind but links that is registered neither for the advertiser (its signature, its "
            "template), nor for the provider, nor for everybody.",
            "文中联系方式：指定的、`outside` 之外的、`registered` 没登记的（电话、微信、QQ、公众号、小程序、抖音、淘口令、邮箱都算）、"
            "`kind` 某些种类的；`none`、`present` 只管电话",
        ),
        Bilingual(
            "use only contacts that the rule allows, or have them registered (registries/contacts.csv)",
            "只用规则允许的联系方式，或先登记在联系方式表",
        ),
    ),
)  # fmt: skip
