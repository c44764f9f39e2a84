"""Reads the template lists that operators and cloud providers exchange.

In: rows of a CSV or XLSX; what is registered. Out: a TemplateList: rows of registries/templates.csv, each with its line; the
bad rows. Never: half a file; a guess: a variable has a type where its name or its attribute says so surely, else none.

A row near the top names the columns (COLUMNS); titles may stand above it. Variables are ``${code}``, ``#code#``, ``{{code}}``, ``{1}``,
``%s``, ``【变量】``, or the stars of ``**先生``. Attributes of variables may stand in a column of their own, as ``{"code": "numberCaptcha"}``,
``code:仅数字``, or one after the other. Templates that are under review or were refused are left out. A template without a code gets one made
of its text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.model.message import hash48
from proxy.operations.files.row_files import FileFaults, is_note
from proxy.policy.registries import template_text
from proxy.policy.registries.table_words import places, plain
from proxy.policy.registries.template_variables import NAMES, PLACEHOLDER, VARIABLE, placeholders
from proxy.policy.registries.typed_rows import COLUMNS as REGISTRY
from proxy.policy.text.category import SUBCATEGORIES
from proxy.policy.text.folding import normal_signature

CELLS = REGISTRY["templates"]
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "template": (
        "template", "template code", "template id", "code", "id", "模板编码", "模板code", "模板id", "模板编号", "模板标识", "模板号", "编号",
    ),
    "name": ("template name", "name", "title", "模板名称", "模板标题", "模板主题", "名称"),
    "category": ("category", "template type", "sms type", "type", "模板类型", "短信类型", "业务类型", "模板类别", "短信类别", "类型", "类别"),
    "text": ("text", "content", "template content", "模板内容", "短信内容", "模板正文", "正文模板", "报备内容", "正文", "内容"),
    "signature": (
        "signature", "sign", "sign name", "signature name", "签名", "签名名称", "短信签名", "签名内容", "关联签名", "所属签名", "模板签名",
    ),
    "state": (
        "state", "status", "audit status", "template status", "review status", "审核状态", "模板状态", "报备状态", "审核结果", "状态",
    ),
    "types": ("template rule", "variable attributes", "variables", "变量属性", "变量类型", "变量规则", "变量说明", "模板变量", "变量"),
    "provider": ("provider", "通道商", "服务商"),
    "subcategory": ("subcategory", "细分类别"),
    "allows": ("allows", "报备允许"),
}  # fmt: skip
"""What a column may be called."""
_LIKE = {
    "text": re.compile("模板.*(?:内容|正文)|短信.*(?:内容|正文)|内容模板"),
    "signature": re.compile("签名(?!.*(?:id|编号|来源|类型|用途|状态|备注))"),
    "state": re.compile("审核.*(?:状态|结果)|(?:模板|报备).*状态"),
    "template": re.compile("模板.*(?:id|编[码号]|代码|code)"),
    "category": re.compile("(?:模板|短信|业务).*(?:类型|类别|分类)"),
    "types": re.compile("变量"),
}
"""Of columns by another name: what their name is like."""
_CATEGORY = {
    "otp": re.compile("验证|校验码|otp|verif|authent|captcha"),
    "marketing": re.compile("营销|推广|促销|广告|群发|会员|marketing|promot"),
    "notice": re.compile("通知|提醒|行业|服务|事务|触发|notice|notif|utility|transaction"),
    "": re.compile("普通|文本|国内|短信|[0-9]+"),  # a cloud's sort that says nothing; clouds do not agree on numbers
}
"""What a type is like; the first one counts."""
_LEFT_OUT = re.compile(
    "不|未|没|非|吗|[?？]|失败|驳回|拒|待|停|禁|撤|删|过期|取消|中$|pending|review(?:ing|$)|init|reject|fail|not|cancel|disabl|delet|expir"
)
_APPROVED = re.compile("通过|成功|已审|已报备|生效|正常|启用|可用|完成|approved|pass|success|active|enabled|valid")
_NARROW = str.maketrans("｛｝＃＄", "{}#$")
NAME_MAX = 80
HEADING_WITHIN = 10  # lines, titles above it included
COLUMNS_LEAST = 2
NO_HEADING = "no row at the top names the columns, the template's text among them (template, text, signature)"
_VARIABLE = re.compile(
    r"[$#]\{(?P<marked>[^{}]{0,40})\}|\{\{(?P<double>[^{}]{0,40})\}\}|\{(?P<single>[^{}]{0,60})\}"
    rf"|#(?P<between>[A-Za-z_\u4e00-\u9fff][\w]{{0,39}})#|(?P<other>{PLACEHOLDER})"
)
_MINUTES = re.compile(r"\s*(?:分钟|分鐘|min)")
_ONE_TIME_CODE = re.compile("验证码|驗證碼|校验码|动态码|动态密码|注册码|确认码|verification")
_HUAWEI = re.compile(r"(num|txt)_([0-9]{1,2})")

_CODE = "{code:4-8}"
_TYPES_BY_NAMES = {
    _CODE: "code verifycode verificationcode vcode checkcode authcode smscode captcha yzm 验证码 校验码 动态码",
    "{minutes}": "minute minutes min mins 分钟 分钟数 有效分钟",
    "{date}": "date duedate enddate startdate begindate 日期",
    "{datetime}": "time datetime starttime endtime begintime paytime 时间 日期时间 开始时间 结束时间",
    "{money}": "money amount price balance payamount totalamount orderamount 金额 余额 价格 支付金额 订单金额",
    "{phone}": "phone mobile tel telephone phonenumber mobilephone mobileno phoneno 手机号 手机号码 电话 电话号码 联系电话",
    "{order}": "order orderno orderid ordersn ordernum ordernumber ordercode trackingno trackingnumber waybillno expressno"
    " 订单 订单号 订单编号 单号 运单号 快递单号",
    "{name}": "name realname customername 姓名 客户姓名 用户姓名 真实姓名",
}
_BY_NAME = {name: kind for kind, names in _TYPES_BY_NAMES.items() for name in names.split()}
"""Names of variables that say their type."""
_TYPES_BY_ATTRIBUTES = {
    "{code:4-6 digits}": "numbercaptcha 仅数字 数字验证码",
    "{code:4-6}": "characterwithnumber characterwithnumber2 数字+字母组合或仅字母 数字字母组合",
    "{datetime}": "time datetime 时间 日期时间",
    "{date}": "date 日期",
    "{money}": "money 金额",
    "{phone}": "phonenumber phonenumber2 phone 电话号码 手机号 手机号码",
    "{order:≤35}": "othernumber othernumber2 trackingnumber chardigit 其他号码 订单号 快递单号 运单号",
    "{name}": "name 姓名 个人姓名",
}
_BY_ATTRIBUTE = {name: kind for kind, names in _TYPES_BY_ATTRIBUTES.items() for name in names.split()}
"""Attributes of variables, as clouds have them."""
_NO_TYPE = frozenset(
    "others other 其他 text usernick unitname companyname address licenseplatenumber linkparam 文本 地址 企业名称 用户昵称".split()
)
"""Attributes that say of a variable that it may be anything."""


class ListedTemplate(NamedTuple):
    line: int
    cells: tuple[str, ...]  # as COLUMNS of the registry
    untyped: tuple[str, ...]
    placeholders: tuple[str, ...]
    """What looks like variables, and is taken as fixed text."""


@dataclass
class TemplateList(FileFaults):
    rows: list[ListedTemplate] = field(default_factory=list)
    left_out: list[tuple[int, str, str]] = field(default_factory=list)
    """(line, template, its state) of those that are not approved."""


def read_template_list(
    name: str, rows: Iterable[tuple[int, list[str]]], signatures: Collection[str] = (), signature: str = "", provider: str = ""
) -> TemplateList:
    """``signatures``: the registered ones, normalised; none: they are not compared. ``signature``: of a list without such a column;
    ``provider``: of rows that name none."""
    found = TemplateList(name)
    heads: dict[str, int] = {}
    lines: dict[str, int] = {}
    begin = 0
    for line, cells in rows:
        if cells[0].startswith("#"):
            continue
        if not heads:
            begin = begin or line
            if line > HEADING_WITHIN:
                break
            heads = _heads(cells)
            found.ignored = [cell for place, cell in enumerate(cells) if heads and cell and place not in heads.values()]
            continue
        if is_note(cells):
            continue
        found.read += 1
        given = {one: cells[place].strip() for one, place in heads.items() if place < len(cells)}
        template = _name(given, signature, lines)
        try:
            if template in lines:
                raise ValueError(f"template '{template}' stands in line {lines[template]} already")
            if state := _state(given):
                found.left_out.append((line, template, state))
                lines[template] = line
                continue
            row = _row(template, given, signature, provider)
            if signatures and (signed := normal_signature(row[1])) not in signatures:
                raise ValueError(f"signature: '{signed}' is not registered (registries/signatures.csv)")
        except ValueError as fault:
            found.note(line, str(fault))
            continue
        lines[template] = line
        allows = frozenset(row[CELLS.index("allows")].split())
        text = row[CELLS.index("text")]
        untyped = tuple(template_text.untyped_variables(text, allows))
        found.rows.append(ListedTemplate(line, row, untyped, tuple(placeholders(text))))
    if not heads:
        found.note(begin or 1, NO_HEADING if begin else "holds no rows")
    return found


def _name(given: Mapping[str, str], signature: str, lines: Mapping[str, int]) -> str:
    """The code of a template, or its name. Where another one has that name, or it has neither, a code is made of signature and text, so that
    it is the same in the next list. ``lines``: of the names so far."""
    name = given.get("template") or given.get("name") or ""
    if given.get("template") or not given.get("text") or (name and name[:NAME_MAX] not in lines):
        return name[:NAME_MAX]
    signed = (
        normal_signature(given.get("signature", "").strip("【】[] ")) or template_text.signature_in(given["text"]) or signature
    )
    return f"{signed}-{hash48(template_text.plain(given['text'])):012x}"


def _heads(cells: list[str]) -> dict[str, int]:
    """Columns by name; none where the row is no heading: it names too few."""
    words = [plain(cell).replace("模版", "模板").replace(" ", "") for cell in cells]
    found, _ = places(words, COLUMNS)
    for name, like in _LIKE.items():
        if name not in found:
            likely = [place for place, word in enumerate(words) if place not in found.values() and like.search(word)]
            if likely:
                found[name] = likely[0]
    return found if "text" in found and len(found) >= COLUMNS_LEAST else {}


def _state(given: Mapping[str, str]) -> str:
    """The state of a template that is left out; empty: it is approved."""
    if "state" not in given:
        return ""
    word = unicodedata.normalize("NFKC", given["state"]).strip().lower()
    if _LEFT_OUT.search(word):
        return given["state"]
    if _APPROVED.search(word):
        return ""
    raise ValueError(f"state: '{given['state'][:40]}' says not whether it was approved (approved, pending, rejected)")


def _row(template: str, given: Mapping[str, str], signature: str, provider: str) -> tuple[str, ...]:
    """The cells of the registry; ValueError says what is wrong."""
    written = given.get("text", "").translate(_NARROW)
    if not written:
        raise ValueError("text: is missing")
    text = translated(written, _attributes(given.get("types", "")))
    carried = template_text.signature_in(text)
    named = given.get("signature", "").strip("【】[] ") or ("" if carried or "signature" in given else signature)
    if not (named or carried):
        raise ValueError("signature: is missing: neither a column nor the text has it")
    if carried and named and normal_signature(named) != carried:
        raise ValueError(f"signature: the column says '{named}', the text is signed '{carried}'")
    allows = given.get("allows", "").replace("|", " ")
    if wrong := sorted(set(allows.split()).difference(template_text.ALLOWS)):
        raise ValueError(f"allows: unknown word '{wrong[0]}' (one of {', '.join(template_text.ALLOWS)})")
    if re.search("[{}]", VARIABLE.sub("", text)):
        raise ValueError("text: a variable is not closed: a { or } stands alone")
    template_text.check_text(text, frozenset(allows.split()))
    subcategory = given.get("subcategory", "")
    if subcategory and subcategory not in SUBCATEGORIES:
        raise ValueError(f"subcategory: '{subcategory[:40]}' is none")
    cells = {
        "template": template, "signature": named or carried, "provider": given.get("provider", "") or provider,
        "category": _category(given.get("category", "")), "subcategory": subcategory, "text": text, "allows": allows,
    }  # fmt: skip
    return tuple(cells[column] for column in CELLS)


def _category(written: str) -> str:
    word = unicodedata.normalize("NFKC", written).strip().lower()
    if not word:
        return ""
    for category, like in _CATEGORY.items():
        if like.search(word):
            return category
    raise ValueError(f"category: '{written[:40]}' is none (otp, notice, marketing)")


# --- variables


def translated(text: str, attributes: Mapping[str, str]) -> str:
    """A text of a cloud with the variables of the registry. ``attributes``: by a variable's name, or by its number where there are as many."""
    pieces, at = list[str](), 0
    matches = list(_VARIABLE.finditer(text))
    numbered = [name for name in attributes if name.isdecimal()]
    if numbered and len(numbered) != len(matches):
        attributes = {name: one for name, one in attributes.items() if not name.isdecimal()}
    for number, match in enumerate(matches, 1):
        pieces += [text[at : match.start()], _variable(match, text, attributes, number)]
        at = match.end()
    return "".join([*pieces, text[at:]])


def _variable(match: re.Match[str], text: str, attributes: Mapping[str, str], number: int) -> str:
    written = next(one for one in match.groups() if one is not None).strip()
    if match["single"] is not None and (":" in written or "：" in written):
        return match[0]  # it is the registry's own
    key = "" if match["other"] else _key(written)
    attribute = attributes.get(key) or attributes.get(str(number)) or ""
    if attribute in _BY_ATTRIBUTE:
        return _BY_ATTRIBUTE[attribute]
    if attribute in _NO_TYPE:
        return f"{{{_untyped(written, number)}:35}}"
    if match["other"]:
        return f"{{x{number}}}"
    if not key:
        raise ValueError(f"text: '{match[0]}' is a variable without a name")
    key = attribute if attribute in _BY_NAME else key
    if key in ("time", "expire", "timeout", "expiretime", "minute", "t") and _MINUTES.match(text, match.end()):
        return "{minutes}"
    if sized := _HUAWEI.fullmatch(written.lower()):
        return f"{{num:1-{sized[2]} digits}}" if sized[1] == "num" else f"{{txt:{sized[2]}}}"
    if key == "chardigit":
        return _BY_ATTRIBUTE[key]
    if _BY_NAME.get(key) == _CODE and not _ONE_TIME_CODE.search(text):
        return "{code:≤20}"  # of a parcel, a coupon
    return _BY_NAME.get(key) or f"{{{_untyped(written, number)}}}"


def _untyped(written: str, number: int) -> str:
    """A name that is no type."""
    name = re.sub(r"[{}:：,\s\"]", "", written)
    return f"x{number}" if not name or name.lower() in NAMES else name


def _key(written: str) -> str:
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", written)).lower()


def _attributes(written: str) -> dict[str, str]:
    """``{"code": "numberCaptcha"}`` or ``code:仅数字;name:姓名`` → by name; ``验证码、分钟`` → by number."""
    written = written.strip()
    if not written:
        return {}
    try:
        read = json.loads(written) if written.startswith("{") else None
    except ValueError:
        read = None
    pairs: Iterator[tuple[str, str]]
    if isinstance(read, dict):
        pairs = ((str(name), str(value)) for name, value in read.items())
    else:
        parts = (re.split(r"[:：=]", one, maxsplit=1) for one in re.split(r"[;；,，、|\n]", written) if one.strip())
        pairs = ((part[0], part[1]) if len(part) == 2 else (str(number), part[0]) for number, part in enumerate(parts, 1))
    return {_key(name.strip().strip("${}# ")): _key(value) for name, value in pairs}
