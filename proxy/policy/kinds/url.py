"""url: links in the text: ``none``, ``present``, some of these (``url: ["t.cn"]``), or ``{outside: [...]}``: any that is not one of these;
``{outside: registered}``: any that is registered neither for the advertiser, nor for the provider, nor for everybody.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.policy.condition import Test, Tree, never
from proxy.policy.kinds import Context
from proxy.policy.owned import outside_registered
from proxy.policy.reading import Page
from proxy.policy.shape import either, mapping, some, suggested
from proxy.policy.source import Node

IN_RECORD = ""
KEYS = ("outside",)
SHAPE = either(some(suggested(("none", "present"))), mapping(KEYS, {"outside": some(suggested(("registered",)))}))


def condition(node: Node, context: Context) -> Tree:
    outside = isinstance(node.value, dict)
    if outside:
        keys = node.mapping("url", KEYS)
        node = keys.get("outside", node)
    names = node.texts("url" + (": outside" if outside else ""), digits=True)
    if outside and names == ["registered"]:
        return outside_registered("url", lambda page: page.links, context.registry)
    if not outside and names in (["none"], ["present"]):
        return _test(_none if names == ["none"] else _present, f"url: {names[0]}")
    known = tuple(name.lower().strip(".") for name in names)
    if not outside:  # answered by one look-up, however many rules name domains
        return Test("links", never, f"a url of {', '.join(names[:5])}", "url", vocabulary=known)

    def is_known(one: str) -> bool:
        return any(one == name or one.endswith("." + name) for name in known)

    more = f" … ({len(names)} of them)" if len(names) > 5 else ""
    words = f"a url other than {', '.join(names[:5])}{more}"
    return _test(lambda page: not all(map(is_known, page.links)), words, known)


def _test(holds: Callable[[Page], bool], words: str, vocabulary: tuple[str, ...] = ()) -> Test:
    return Test("text", holds, words, "url", reads="links", vocabulary=vocabulary)


def _none(page: Page) -> bool:
    return not page.links


def _present(page: Page) -> bool:
    return bool(page.links)
