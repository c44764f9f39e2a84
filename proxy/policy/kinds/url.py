"""Links in the text.
``url: none``, ``present``, some of these (``url: ["t.cn"]``), or ``{outside: [...]}``: any that is not one of these;
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
CHINESE = "文中链接: 指定域名、`outside` 之外的、`registered` 没登记的、`none` 没有、`present` 有"
MEND = Bilingual(
    "use only links that the rule allows, or have them registered (registries/contacts.csv)",
    "只用规则允许的链接, 或先登记(registries/contacts.csv)",
)
SHAPE = either(some(suggested(("none", "present"))), mapping(KEYS, {"outside": some(suggested(("registered",)))}))


def condition(node: Node, context: KindContext) -> Tree:
    outside = isinstance(node.value, dict)
    if outside:
        keys = node.mapping("url", KEYS)
        node = keys.get("outside", node)
    names = node.texts("url" + (": outside" if outside else ""), digits=True)
    if outside and names == ["registered"]:
        return outside_registered("url", context.registry)
    if not outside and names in (["none"], ["present"]):
        present = names == ["present"]
        return _test(_present if present else _none, _STATES[names[0]], finds=present)
    try:
        known = tuple(map(contacts.written_domain, names))
    except contacts.NotAContact as fault:
        raise node.fault(f"url: {fault}") from None
    some = ", ".join(names[:5])
    if not outside:  # answered by one look-up, however many rules name domains
        return Test("links", never, Bilingual(f"a url of {some}", f"文中有链接 {some}"), "url", vocabulary=known, finds=True)

    def is_known(one: str) -> bool:
        return any(one == name or one.endswith("." + name) for name in known)

    more = f" … ({len(names)} of them)" if len(names) > 5 else ""
    words = Bilingual(f"a url other than {some}{more}", f"文中有链接不是 {some}{more}")
    return _test(lambda page: not all(map(is_known, page.links)), words, known, finds=True)


_STATES = {"none": Bilingual("url: none", "文中没有链接"), "present": Bilingual("url: present", "文中有链接")}


def _test(holds: Callable[[TextAnalysis], bool], words: Bilingual, vocabulary: tuple[str, ...] = (), *, finds: bool) -> Test:
    reads, every = "links", holds is _none
    return Test("text", holds, words, "url", reads=reads, vocabulary=vocabulary, finds=finds, every=every)


def _none(page: TextAnalysis) -> bool:
    return not page.links


def _present(page: TextAnalysis) -> bool:
    return bool(page.links)
