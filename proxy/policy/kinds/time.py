"""time: time of day in the rules' zone, first minute included, last excluded: ``time: 21:00-08:00`` (passes midnight), or a list."""

from __future__ import annotations

from proxy.policy import moments
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import Context
from proxy.policy.problem import RuleFault
from proxy.policy.source import Node

IN_RECORD = "time"


def condition(node: Node, context: Context) -> Tree:
    spans: list[tuple[int, int]] = []
    for item in node.items():
        written = item.text("time")
        first, dash, last = written.partition("-")
        try:
            span = (moments.clock(first.strip()), moments.clock(last.strip()))
        except ValueError as fault:
            said = str(fault) if dash else f"'{written}' is no span of time"
            raise RuleFault(item.line, f"time: {said} (write 21:00-08:00)") from None
        if span[0] == span[1]:
            raise RuleFault(item.line, f"time: '{written}' starts when it ends (the whole day: leave time out)")
        spans.append(span)
    words = "time is " + " or ".join(node.texts("time"))
    test = moments.daily(spans, words)
    return Test("time", test.holds, words, "time", time=test)
