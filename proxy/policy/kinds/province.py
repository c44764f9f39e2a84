"""The province of the recipient's number.
``province: 北京``, ``unknown``, or ``port``: the province for which its port is registered.
"""

from __future__ import annotations

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual
from proxy.policy.condition import AnyOf, OneOf, Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.problem import each
from proxy.policy.loading.schema_parts import some, suggested
from proxy.policy.loading.source import Node
from proxy.policy.registries.regions import PROVINCE_CODES, UNKNOWN, province_of
from proxy.policy.registries.registry import PortRow

IN_RECORD = "person"
WORDS = (*PROVINCE_CODES, UNKNOWN, "port")
CHINESE = "号码归属省份（前七位）；北京市、110000、beijing 都认。`unknown` 查不到；`port` 号码在端口登记的省份内"
MEND = Bilingual("leave out people who live there", "不发给归属地在那里的号码")
SHAPE = some(suggested(WORDS))


def condition(node: Node, context: KindContext) -> Tree:
    names: set[str] = set()
    parts: list[Tree] = []
    for name in each(node.items(), _province):
        if name == "port":
            parts.append(OF_THE_PORT)
        else:
            names.add(name)
    if names:
        parts.append(OneOf("province", frozenset(names)))
    if not parts:
        node.texts("province")
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _province(node: Node) -> str:
    """The province's short name, ``unknown`` or ``port``."""
    written = node.text("province", digits=True)
    found = written if written == "port" else province_of(written)
    if not found:
        raise node.fault(f"province: {unknown('province', written, WORDS)}; write its short name (江苏), or unknown")
    return found


def _of_the_port(port: PortRow | None, province: str) -> bool:
    """The person lives where the port may send: its registered province, or anywhere for a national port."""
    return port is not None and port.province in ("", province)


OF_THE_PORT = Test("place", _of_the_port, Bilingual("province is the port's", "号码归属省份是端口登记的省份"), "port")
