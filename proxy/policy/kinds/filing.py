"""Whether what was filed for the sender still holds: filing, licences, port.
``filing: [expired, refused]``, by ``registries/filings.csv``, for the carrier and the recipient's province.

``filing: {licence: [expired, pending]}`` asks for the licences of the signature's advertiser (``registries/licences.csv``),
``filing: {letter: missing}`` for the authorisation letter of a signature that another company uses (``registries/signatures.csv``),
``filing: {port: other}`` in whose name the port is registered (``registries/ports.csv``).
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual, any_of
from proxy.model.message import Facts, Message
from proxy.model.recipient import Recipient
from proxy.policy.condition import All, AnyOf, OneOf, RecipientTest, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import among, either, mapping, some
from proxy.policy.loading.source import Node
from proxy.policy.registries.filings import BY_PLACE, FILING_WORDS, LICENCE_WORDS
from proxy.policy.registries.regions import SEGMENT_FIRST, SEGMENTS, Regions, segment_types
from proxy.policy.registries.registry import LETTERS, PORT_USERS, Registry

IN_RECORD = ""
PORTS_MAX, ANSWERS_MAX = 65_536, 131_072
"""Kept at most: ports with extensions, which providers choose; answers, of some 200 bytes each."""
KEYS = ("licence", "letter", "port")
CHINESE = (
    "签名在该运营商、省份的报备状态：报备中 `pending`、已报备 `filed`、被驳回 `refused`、待复审 `review-due`、已到期 `expired`、"
    "该处没有报备 `missing`、没有登记 `none`。`{licence: …}` 广告主的许可证：有效 `valid`、到期 `expired`、未生效 `pending`、没有登记 `none`。"
    "`{letter: …}` 他用签名的授权书：已登记 `registered`、缺 `missing`、不需要 `none`。"
    "`{port: …}` 端口实名：自己 `own`、别家 `other`、过期 `expired`、只登记了同端口的其他子端口 `missing`、没有登记 `none`"
)
MEND = Bilingual(
    "have the signature filed, the licence renewed or the port registered, and enter it (filings.csv, licences.csv, ports.csv)",
    "办理签名报备、换证或端口实名，并登记在签名报备、广告主资质和端口表",
)
SHAPE = either(
    some(among(FILING_WORDS)),
    mapping(KEYS, {"licence": some(among(LICENCE_WORDS)), "letter": some(among(LETTERS)), "port": some(among(PORT_USERS))}),
)


def condition(node: Node, context: KindContext) -> Tree:
    if not isinstance(node.value, dict):
        return _state(frozenset(node.words("filing", FILING_WORDS)), context)
    keys = node.mapping("filing", KEYS)
    if not keys:
        raise node.fault("filing: says nothing (write {licence: expired}, or {port: other})")
    parts: list[Tree] = []
    if "licence" in keys:
        parts.append(OneOf("licence_state", frozenset(keys["licence"].words("filing: licence", LICENCE_WORDS))))
    if "letter" in keys:
        parts.append(OneOf("letter_state", frozenset(keys["letter"].words("filing: letter", LETTERS))))
    if "port" in keys:
        parts.append(OneOf("port_user", frozenset(keys["port"].words("filing: port", PORT_USERS))))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _state(states: frozenset[str], context: KindContext) -> Tree:
    """Per recipient only for signatures with filings for one carrier or province."""
    everywhere = OneOf("filing_state", states)
    if not context.registry.filings.by_place:
        return everywhere
    named = any_of(sorted(states))
    words = Bilingual(f"the filing for this carrier and province is {named}", f"签名在该运营商、省份的报备状态是{named.zh}")
    here = RecipientTest(_Here(states, context.registry, context.regions), words, "filing_state", passing=True)
    return AnyOf((everywhere, All((OneOf("filing_state", frozenset((BY_PLACE,))), here))))


class _Here:
    """Whether the filing of the message's signature has one of these states for its carrier and province. An answer is kept until a date of the
    registry may change it, which takes a quarter of the time."""

    def __init__(self, states: frozenset[str], registry: Registry, regions: Regions) -> None:
        self._states, self._registry, self._regions = states, registry, regions
        self._types = segment_types() if registry.filings.names_carriers else bytes(SEGMENTS)
        self._carriers: dict[str, str | None] = {}
        """By port: its carrier; None where the recipient's number decides."""
        self._answers: dict[tuple[str, str | int, int], tuple[float, float, bool]] = {}
        """By signature, carrier and place: from when to when it holds, and the answer."""

    def __call__(self, message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        scheduled = message.content.scheduled
        at = now if scheduled is None or scheduled < now else scheduled
        port, segment = message.sender.port, message.recipient // 10_000 - SEGMENT_FIRST
        carrier = self._carriers.get(port, "")
        if carrier == "":
            carrier = self._carrier_of(port)
        key = (facts.signature, self._types[segment] if carrier is None else carrier, self._regions.cells[segment])
        known = self._answers.get(key)
        if known is None or not known[0] <= at < known[1]:
            known = self._answer(key, message, facts.signature, at)
        return known[2]

    def _carrier_of(self, port: str) -> str | None:
        if len(self._carriers) >= PORTS_MAX:
            self._carriers.clear()
        self._carriers[port] = found = self._registry.port_carrier(port) or None
        return found

    def _answer(
        self, key: tuple[str, str | int, int], message: Message, signature: str, at: float
    ) -> tuple[float, float, bool]:
        if len(self._answers) >= ANSWERS_MAX:
            self._answers.clear()
        registry = self._registry
        carrier = registry.carrier_of(message.sender.port, message.recipient) if registry.filings.names_carriers else ""
        state = registry.filings.state_in(signature, carrier, self._regions.of(message.recipient)[0], at)
        self._answers[key] = found = (at, registry.next_edge(at), state in self._states)
        return found
