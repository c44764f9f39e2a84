"""The recipient is on a list of the rules folder.
``recipient_in: vip`` (see ``lists:``).
"""

from __future__ import annotations

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual, any_of
from proxy.model.message import Facts, Message
from proxy.model.recipient import Recipient
from proxy.policy.condition import RecipientTest, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import NAME, some
from proxy.policy.loading.source import Node

IN_RECORD = "person"
CHINESE = "号码在名单上（见 `lists:`）"
MEND = Bilingual("leave this person out", "不发给该号码")
SHAPE = some(NAME)


def condition(node: Node, context: KindContext) -> Tree:
    names = node.texts("recipient_in", digits=True)
    for item, name in zip(node.items(), names, strict=True):
        if name not in context.lists:
            problem = unknown("list", name, context.lists)
            raise item.fault(f"recipient_in: {problem}; lists: at the top of a file names them")
    sets = tuple(context.lists[name].numbers for name in names)

    numbers = sets[0] if len(sets) == 1 else None

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        number = message.recipient
        return number in numbers if numbers is not None else any(number in one for one in sets)

    text = any_of(names)
    words = Bilingual(f"the recipient is on {text}", f"号码在名单 {text.zh} 上")
    return RecipientTest(holds, words, "recipient_in", names=tuple(names), numbers=numbers)
