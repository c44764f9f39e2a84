"""Telephone numbers in the text.
``contact: none``, ``present``, some of these (``contact: ["4008001234"]``), or ``{outside: [...]}``: any that is not one of these;
``{outside: registered}``: any that is registered neither for the advertiser, nor for the provider, nor for everybody.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import Test, Tree, never
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import either, mapping, some, suggested
from proxy.policy.loading.source import Node
from proxy.policy.registries.registered_contacts import outside_registered
from proxy.policy.text import contacts
from proxy.policy.text.text_analysis import TextAnalysis

IN_RECORD = ""
KEYS = ("outside",)
CHINESE = "文中电话, 写法同上"
MEND = Bilingual(
    "use only telephone numbers that the rule allows, or have them registered (registries/contacts.csv)",
    "只用规则允许的电话号码, 或先登记(registries/contacts.csv)",
)
SHAPE = either(some(suggested(("none", "present"))), mapping(KEYS, {"outside": some(suggested(("registered",)))}))


def condition(node: Node, context: KindContext) -> Tree:
    outside = isinstance(node.value, dict)
    if outside:
        keys = node.mapping("contact", KEYS)
        node = keys.get("outside", node)
    names = node.texts("contact" + (": outside" if outside else ""), digits=True)
    if outside and names == ["registered"]:
        return outside_registered("contact", context.registry)
    if not outside and names in (["none"], ["present"]):
        present = names == ["present"]
        return _test(_present if present else _none, _STATES[names[0]], finds=present)
    try:
        known = tuple(map(contacts.written_phone, names))
    except contacts.NotAContact as fault:
        raise node.fault(f"contact: {fault}") from None
    some = ", ".join(names[:5])
    if not outside:  # answered by one look-up, however many rules name numbers
        words = Bilingual(f"a contact of {some}", f"文中有电话号码 {some}")
        return Test("contacts", never, words, "contact", vocabulary=known, finds=True)

    def is_known(one: str) -> bool:
        return any(one == name for name in known)

    more = f" … ({len(names)} of them)" if len(names) > 5 else ""
    words = Bilingual(f"a contact other than {some}{more}", f"文中有电话号码不是 {some}{more}")
    return _test(lambda page: not all(map(is_known, page.contacts)), words, known, finds=True)


_STATES = {"none": Bilingual("contact: none", "文中没有电话号码"), "present": Bilingual("contact: present", "文中有电话号码")}


def _test(holds: Callable[[TextAnalysis], bool], words: Bilingual, vocabulary: tuple[str, ...] = (), *, finds: bool) -> Test:
    reads, every = "contacts", holds is _none
    return Test("text", holds, words, "contact", reads=reads, vocabulary=vocabulary, finds=finds, every=every)


def _none(page: TextAnalysis) -> bool:
    return not page.contacts


def _present(page: TextAnalysis) -> bool:
    return bool(page.contacts)
