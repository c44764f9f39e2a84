"""Whether replies to the port reach the gate.
``reply_path: [dead, silent]``, ``reply_path: {unproven: {after: 10000}}``.

``unproven`` needs ``after``: a new port must be able to begin. With ``after: 0`` it begins with a probe (``gate106 optout probe``).
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.problem import RuleFault
from proxy.policy.loading.schema_parts import among, either, mapping, some, whole
from proxy.policy.loading.source import Node
from proxy.policy.reply_paths import ADVERTISEMENTS_MAX, STATES, UNPROVEN, WORDS, ReplyPath

IN_RECORD = ""
HINT = "a record keeps the port, not what was known of its reply path then: leave recipient out of the key"
CHINESE = (
    "发送端口的退订通路：已验证 `proven`、无回复 `silent`、拨测不通 `dead`、发满多少条仍未验证 `{unproven: {after: 10000}}`"
)
MEND = Bilingual(
    "nothing in the message: replies to its port do not reach the carrier; have the port mended, then prove it with a probe",
    "短信本身改不了：发往该端口的回复收不到；修好端口后做一次退订拨测",
)
BARE = tuple(state for state in STATES if state != UNPROVEN)
_UNPROVEN = mapping(
    (UNPROVEN,), {UNPROVEN: mapping(("after",), {"after": whole(0, ADVERTISEMENTS_MAX)}, needs=("after",))}, needs=(UNPROVEN,)
)
STATE = either(among(BARE), _UNPROVEN)
SHAPE = some(STATE)


def condition(node: Node, context: KindContext) -> Tree:
    states, after = _asked(node.items(), node.line)

    def holds(path: ReplyPath) -> bool:
        return path.state in states or (after is not None and path.state == UNPROVEN and path.advertisements >= after)

    named = [one for one in STATES if one in states]
    english, chinese = named[:], [WORDS[one] for one in named]
    if after is not None:
        english.append(f"unproven after {after:,} advertisements")
        chinese.append(f"满 {after:,} 条营销短信仍未验证")
    words = Bilingual("the reply path of the port is " + " or ".join(english), "端口的退订通路" + "或".join(chinese))
    return Test("path", holds, words, "reply_path")


def path_in(node: Node) -> ReplyPath:
    """A path as a rule test gives it: written like the condition, one state."""
    items = node.items()
    if len(items) != 1:
        raise node.fault("test: reply_path: one state, like dead, or unproven: {after: 10000}")
    states, after = _asked(items, node.line)
    return ReplyPath(UNPROVEN, after) if after is not None else ReplyPath(next(iter(states)))


def _asked(items: Iterable[Node], line: int) -> tuple[frozenset[str], int | None]:
    """The states that are named, and after how many advertisements an unproven path is meant; None: it is not."""
    states: set[str] = set()
    after: int | None = None
    for item in items:
        if isinstance(item.value, dict):
            keys = item.mapping("reply_path", (UNPROVEN,))
            if UNPROVEN not in keys:
                raise item.fault("reply_path: empty: name states, or unproven: {after: 10000}")
            if after is not None:
                raise item.fault("reply_path: unproven stands here twice")
            within = keys[UNPROVEN].mapping("reply_path: unproven", ("after",))
            if "after" not in within:
                raise keys[UNPROVEN].fault("reply_path: unproven: 'after' is missing (like {after: 10000})")
            after = within["after"].integer("reply_path: unproven: after", 0, ADVERTISEMENTS_MAX)
            continue
        word = item.text("reply_path", digits=True)
        if word == UNPROVEN:
            raise item.fault(
                "reply_path: a new port must be able to begin: say after how many advertisements (unproven: {after: 10000})"
            )
        if word not in BARE:
            raise item.fault(f"reply_path: {unknown('state', word, STATES)}")
        states.add(word)
    if not states and after is None:
        raise RuleFault(line, "reply_path: an empty list matches nothing (name states, like [dead, silent])")
    return frozenset(states), after
