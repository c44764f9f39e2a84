"""The time of day in the rules' time zone.
``time: 21:00-08:00`` (passes midnight; first minute included, last excluded), or a list; ``{between: 21:00-08:00, zone: "+06:00"}`` by
the clocks of another zone.
"""

from __future__ import annotations

from proxy.i18n.phrases import Bilingual, as_written
from proxy.policy import time_windows
from proxy.policy.condition import Test, Tree
from proxy.policy.kinds import KindContext
from proxy.policy.loading.schema_parts import NAME, SPAN, either, mapping, some
from proxy.policy.loading.source import Node

IN_RECORD = "time"
KEYS = ("between", "zone")
CHINESE = "时段；含开始、不含结束，可以跨零点；`zone` 换时区"
MEND = Bilingual("send at another time of day", "换一个时段发送")
SHAPE = either(some(SPAN), mapping(KEYS, {"between": some(SPAN), "zone": NAME}, needs=KEYS))


def condition(node: Node, context: KindContext) -> Tree:
    zone, zoned = time_windows.ZONE, ""
    if isinstance(node.value, dict):
        keys = node.mapping("time", KEYS)
        if len(keys) < 2:
            raise node.fault("time: needs both between and zone (or a single span)")
        zoned = keys["zone"].text("time: zone", digits=True)
        try:
            zone = time_windows.zone_of(zoned)  # type: ignore[assignment] # any zone is one
        except ValueError as fault:
            raise keys["zone"].fault(f"time: zone: {fault}") from None
        node = keys["between"]
    spans = [span_of(item, "time") for item in node.items()]
    text = as_written([one.replace("~", "-") for one in node.texts("time")])
    words = Bilingual(
        f"time is {text}" + (f" in {zoned}" if zoned else ""), f"时刻在 {text.zh}" + (f"（{zoned}）" if zoned else "")
    )
    test = time_windows.daily(spans, words, zone)
    return Test("time", test.holds, words, "time", time=test)


def span_of(item: Node, what: str) -> tuple[int, int]:
    """``21:00-08:00`` as seconds after midnight."""
    written = item.text(what).replace("~", "-")
    first, dash, last = written.partition("-")
    try:
        span = (time_windows.clock(first.strip()), time_windows.clock(last.strip()))
    except ValueError as fault:
        problem = str(fault) if dash else f"'{written}' is no span of time"
        meant = time_windows.two_digits(written) if dash else ""
        raise item.fault(f"{what}: {problem}" + ("" if meant else " (write 21:00-08:00)"), item.text(what), meant) from None
    if span[0] == span[1]:
        raise item.fault(f"{what}: '{written}' starts when it ends (the whole day: leave {what} out)")
    return span
