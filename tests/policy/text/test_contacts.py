"""Links by their domain, and telephone numbers however they are written. All texts are made up."""

from __future__ import annotations

import pytest

from proxy.policy.text.contacts import contacts, links
from proxy.policy.text.folding import fold


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("看 t.cn/Ab1 吧", ("t.cn",)), ("https://www.Shop.example:8080/x?y=1", ("www.shop.example",)), ("点T.CN/a和u.example", ("t.cn", "u.example")),
        ("立减50...t.cn/AbC", ("t.cn",)), ("看t.cn...再见", ("t.cn",)), ("t.cn-立即", ("t.cn",)), ("t.cn-a1", ()), ("a.cn..b.cn", ("a.cn", "b.cn")),
        ("http://淘宝.com/x", ("淘宝.com",)), ("http://淘宝.中国", ("淘宝.中国",)), ("http://t.cn立即点", ("t.cn",)),
        ("xn--fiq228c.xn--fiqs8s/a", ("xn--fiq228c.xn--fiqs8s",)), ("等等..", ()), ("v1..2", ()),
        ("http://192.0.2.1/x", ("192.0.2.1",)), ("价格9.9元", ()), ("他说...好", ()), ("me@mail.example", ()), ("ｔ．ｃｎ/a", ("t.cn",)),
    ],
)  # fmt: skip
def test_links_are_found_by_their_domain(text: str, domains: tuple[str, ...]) -> None:
    assert [domain for domain in links(fold(text)) if "mail" not in domain] == list(domains)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("138-0013-8000", "13800138000"), ("138 0013 8000", "13800138000"), ("138 001 38000", "13800138000"), ("+8613800138000", "13800138000"),
        ("0086-13800138000", "13800138000"), ("8613800138000", "13800138000"), ("１３８－００１３－８０００", "13800138000"),
        ("4006-000-106", "4006000106"), ("400-6000-106", "4006000106"), ("400 600 0107", "4006000107"), ("800-810-0818", "8008100818"),
        ("(010)12345678", "01012345678"), ("（0571）8888 6666", "057188886666"), ("0571-8888-6666", "057188886666"),
    ],
)  # fmt: skip
def test_a_telephone_number_is_the_same_however_it_is_written(written: str, number: str) -> None:
    assert contacts(fold(f"详询{written}。")) == (number,)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-13 14:00",
        "2026-11-11 10:00至2026-11-12 18:00",
        "单号SF1380013800012",
        "138001380001",
        "卡号6222 0213 8001 3800 012",
    ],
)
def test_dates_orders_and_cards_are_no_telephone_numbers(text: str) -> None:
    assert contacts(fold(text)) == ()


def test_telephone_numbers_are_found_and_codes_are_not() -> None:
    text = fold("电13800000000或010-12345678或400-800-1234或95588, 码482913")
    assert contacts(text) == ("13800000000", "01012345678", "4008001234", "95588")
    assert contacts(fold("您的验证码是951234，提货码：960001 券码 95123")) == ()
    assert contacts(fold("客服号码95588，电话号码：96110，验证码请打95533")) == ("95588", "96110", "95533")
