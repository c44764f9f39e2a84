"""What the conversation in test_real_clients asks of a client, whoever wrote it.

In: nothing. Out: a protocol and the texts that every client sends. Never: one client's own ways (see client_*.py).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

GSM7 = "Code 4711 @ 5 $, valid 10 min [a]"
"""@ and $ lie elsewhere in the GSM alphabet than in ASCII, the brackets take an escape."""
CHINESE = "【测试】双11券, 满100减20, 拒收请回复R"
BINARY = bytes(range(0, 256, 3))
LONG = "【测试】" + "您的包裹已到达驿站, 请凭取件码8866领取, 如有疑问请联系快递员。" * 6
"""Four parts in UCS-2."""
TEXTS: dict[str, str | bytes] = {
    "gsm7": GSM7, "chinese": CHINESE, "8bit": BINARY, "long": LONG, "long-16": LONG, "sar": LONG, "payload": LONG,
}  # fmt: skip
"""``long`` has user data headers with an 8-bit reference, ``long-16`` with a 16-bit one; ``sar`` says the same in parameters,
``payload`` is the long text in one message_payload."""
PART_CHARACTERS = 67
"""UCS-2 characters of one part beside its 6 octets of user data header; with 7, 66."""


def pieces(text: str, characters: int) -> list[str]:
    """A text as it is cut into parts."""
    return [text[start : start + characters] for start in range(0, len(text), characters)]


class Told(NamedTuple):
    """How the client itself reports the fate of one submit."""

    status: int
    id: str


class Arrived(NamedTuple):
    """A deliver as the client itself read it."""

    source: str
    destination: str
    text: str
    receipt: bool


class Client(Protocol):
    kinds: tuple[str, ...]
    """Which of TEXTS it can send."""
    retries: bool
    """Whether it tries again by itself after a temporary status, and so never tells of one."""

    def submit(self, kind: str, source: str, recipient: str) -> list[Told]:
        """Sends one text and waits for the answers to all its parts."""

    def burst(self, source: str, recipients: list[str]) -> list[Told]:
        """Sends one short text to each, without waiting for an answer in between; then waits for all answers."""

    def arrived(self) -> list[Arrived]:
        """What was delivered to it so far."""

    def close(self) -> None:
        """Unbinds and hangs up."""
