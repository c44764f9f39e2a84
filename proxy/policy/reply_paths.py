"""Gives rules the state of each port prefix's reply path.

In: states from relay/effects/reply_paths.py. Out: the ReplyPath of a sender. Never: what makes a path silent, the time. The paths of a rule set
never change: other states make another rule set (``RuleSet.with_orders``), so no message costs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Sender

PROVEN, UNPROVEN, SILENT, DEAD = STATES = ("proven", "unproven", "silent", "dead")
WORDS: Mapping[str, str] = {PROVEN: "已验证", UNPROVEN: "未验证", SILENT: "无回复", DEAD: "不通"}
"""The states in Chinese."""
ADVERTISEMENTS_MAX = 1_000_000_000


class ReplyPath(NamedTuple):
    """Whether replies to a port prefix reach the gate."""

    state: str = PROVEN  # one of STATES
    advertisements: int = 0
    """Since the last proof."""

    @property
    def words(self) -> Bilingual:
        since = f" after {self.advertisements:,} advertisements" if self.state == UNPROVEN else ""
        zh = f"已发 {self.advertisements:,} 条营销短信" if self.state == UNPROVEN else ""
        return Bilingual(
            f"the reply path of the port is {self.state}{since}", f"端口的退订通路{WORDS[self.state]}{zh and f'，{zh}'}"
        )


Paths = Mapping[str, ReplyPath]
"""By registered prefix."""
NO_BOOK = ReplyPath(PROVEN)
"""Where reply paths are not tracked (a check of rules, a backtest) every path counts as proven."""
UNUSED = ReplyPath(UNPROVEN)
"""What a book says of a prefix from which no advertisement came."""


class AssumedPath(dict[str, ReplyPath]):
    """One state for every port, to repeat a past decision: it reproduces the conditions that held, not necessarily the state."""

    def __init__(self, path: ReplyPath) -> None:
        super().__init__()
        self._path = path

    def get(self, prefix: str, default: Any = None) -> Any:
        return self._path


MAY_HAVE_BEEN = (NO_BOOK, ReplyPath(DEAD), ReplyPath(SILENT), ReplyPath(UNPROVEN, ADVERTISEMENTS_MAX), UNUSED)
"""One path of each state, to find out which of them led to a decision."""


def path_of(sender: Sender, paths: Paths | None) -> ReplyPath:
    """The reply path of a sender; ``paths``: None if reply paths are not tracked."""
    if paths is None:
        return NO_BOOK
    return paths.get(sender.prefix or _longest(sender.port, paths), UNUSED)


def _longest(port: str, prefixes: Paths) -> str:
    """The registered prefix of a port that was not looked up: for a message that is only asked about."""
    return max((one for one in prefixes if port.startswith(one)), key=len, default="")
